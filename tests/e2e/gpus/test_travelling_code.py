"""The code of functions that need GPUs travels: a repository's commit and changes, or the file that the user ran."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from clearq.engine import Engine
from clearq.environments.uv import uv_binary, uv_environ
from clearq.settings import Settings
from tests.support.agents import Agents, environment
from tests.support.fake_nvml import FakeNvml
from tests.support.gpu_functions import commit

#: Seconds for a result, with an environment that is made for it.
SOON = 120.0

PROGRAM = """
import asyncio, os

from clearq import Clearq

app = Clearq()


@app.task(gpus=1)
def here(x: int) -> str:
    return f"{os.environ['CUDA_VISIBLE_DEVICES']} {x} {__name__}"


async def main() -> None:
    async with app:
        print(await (await here.enqueue(7)).result(120))


if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def reachable() -> None:
    """The package index answers: an environment with clearq's own packages can be made."""
    command = [uv_binary(), "pip", "compile", "--quiet", "--no-header", "-"]
    done = subprocess.run(
        command, input=b"six\n", env=uv_environ() | {"UV_HTTP_TIMEOUT": "10"}, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("the package index cannot be reached")


@pytest.mark.usefixtures("reachable")
async def test_a_repository_with_changes_and_a_program_in_none(
    agents: Agents,
    nvml: FakeNvml,
    folder: Path,
    mytasks: ModuleType,
    engine: Engine,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """One environment serves both: neither names packages but clearq."""
    commit(folder)
    with (folder / "mytasks.py").open("a") as file:
        file.write("\n\n@app.task(gpus=1)\ndef late() -> str:\n    return 'not committed'\n")
    late = mytasks.app.task(gpus=1, name="mytasks.late")(mytasks.cancels.__wrapped__)
    trained, uncommitted = await mytasks.train.enqueue(21), await late.enqueue()
    script = (await engine.tasks.get(trained.id)).spec.script
    assert (script.repository, script.entry_point) == (str(folder), "mytasks.py")
    await agents.start(**nvml.environ)
    assert await trained.result(SOON) == mytasks.Found("0", 1, 42)
    assert await uncommitted.result(SOON) == "not committed"
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=alone,
        env=environment(settings, {}),
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("0 7 program\n", 0), done.stderr
