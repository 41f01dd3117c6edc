"""The whole order for one attempt: code, changes, packages, command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearq.environments.prepare import PreparedEnvironment, command, prepare_environment
from clearq.errors import EnvironmentFailed
from clearq.models import Script, Status, Task, TaskSpec
from clearq.settings import Settings

Said = list[str]
Prepare = Callable[..., Any]


@pytest.fixture
def prepare(tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    monkeypatch.setenv("UV_NO_INDEX", "1")
    settings = Settings(home=tmp_path / "home", venvs_free_gb=0)

    async def call(**fields: Any) -> PreparedEnvironment:
        script = Script(**{"requirements": "# none\n", **fields})
        task = Task(id="1" * 32, spec=TaskSpec(name="t", script=script), status=Status.IN_PROGRESS)
        return await prepare_environment(task, tmp_path / "attempt", settings, said.append)

    return call


def run(prepared: PreparedEnvironment) -> str:
    done = subprocess.run(
        prepared.argv, cwd=prepared.cwd, env=prepared.environ(os.environ), capture_output=True, check=True
    )
    return done.stdout.decode()


async def test_the_steps_come_in_order_and_the_command_runs(
    prepare: Prepare, repository: Path, git: Any, said: Said
) -> None:
    (repository / "train.py").write_text("import sys, model\nprint(model.SIZE, sys.argv[1:])\n")
    prepared = await prepare(
        repository=str(repository),
        branch="main",
        diff=git(repository, "diff"),
        entry_point="train.py",
        argv=("--lr", "0.1 x"),
    )
    assert run(prepared) == "1 ['--lr', '0.1 x']\n"
    heads = [line.split()[0] for line in said]
    assert heads == ["Fetching", "Checked", "Applied", "Made"]
    prepared.hold.close()
    prepared.hold.close()


async def test_it_runs_in_the_root_unless_told_otherwise(prepare: Prepare, repository: Path) -> None:
    where = "import os; print(os.getcwd())"
    (repository / "src" / "where.py").write_text(where)
    for working_dir, entry_point, folder in (("", "src/where.py", ""), ("src", "where.py", "src")):
        prepared = await prepare(
            repository=str(repository),
            branch="main",
            diff=new_file("src/where.py", where),
            working_dir=working_dir,
            entry_point=entry_point,
        )
        assert run(prepared).strip() == str(prepared.cwd)
        assert prepared.cwd.name == (folder or "work")


def new_file(name: str, line: str) -> str:
    return f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{line}\n"


async def test_a_lone_script_runs(prepare: Prepare) -> None:
    prepared = await prepare(diff="import sys; print('lone', sys.prefix)\n", entry_point="my script.py")
    assert run(prepared) == f"lone {prepared.python.parent.parent}\n"


async def test_modules_are_run_by_name(prepare: Prepare, repository: Path) -> None:
    prepared = await prepare(repository=str(repository), branch="main", entry_point="-m src.model one")
    assert prepared.argv[1:] == ("-u", "-m", "src.model", "one")
    run(prepared)


async def test_the_second_attempt_reuses_the_environment(prepare: Prepare, said: Said) -> None:
    first = await prepare(diff="1", entry_point="a.py")
    second = await prepare(diff="2", entry_point="a.py")
    assert first.python == second.python
    assert said[-1].startswith("Reusing an environment")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"entry_point": "nope.py"}, "no file 'nope.py'"),
        ({"entry_point": "train.py", "working_dir": "src"}, "no file 'train.py' below 'src'"),
        ({"entry_point": "train.py", "working_dir": "gone"}, "no folder 'gone'"),
        ({"entry_point": ""}, "names no entry point"),
        ({"entry_point": "-m"}, "names no module"),
        ({"entry_point": "-m 'x"}, "not valid"),
        ({"entry_point": "../../etc/passwd"}, "leads out"),
        ({"entry_point": "src"}, "no file 'src'"),
    ],
)
async def test_a_missing_entry_point_is_one_sentence(
    prepare: Prepare, repository: Path, fields: dict[str, str], words: str
) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        await prepare(repository=str(repository), branch="main", **fields)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_an_entry_point_is_never_taken_for_an_option() -> None:
    assert command(Script(entry_point="-c"), Path("python"))[1:] == ("-u", "./-c")


def test_shell_scripts_get_their_shell() -> None:
    argv = command(Script(entry_point="run.sh", binary="/bin/bash", argv=("x",)), Path("python"))
    assert Path(argv[0]).name == "bash" and argv[1:] == ("run.sh", "x")


def test_variables_add_to_what_is_there(tmp_path: Path) -> None:
    class Nothing:
        def close(self) -> None: ...

    prepared = PreparedEnvironment(
        tmp_path / "bin" / "python", tmp_path, ("x",), {"PYTHONPATH": "/code", "A": "1"}, Nothing()
    )
    environ = prepared.environ({"PATH": "/usr/bin", "PYTHONPATH": "/mine", "PYTHONHOME": "/x", "B": "2"})
    assert environ == {
        "PATH": f"{tmp_path}/bin:/usr/bin",
        "PYTHONPATH": "/code:/mine",
        "A": "1",
        "B": "2",
    }
