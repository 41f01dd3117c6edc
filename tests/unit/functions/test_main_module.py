"""A program's functions have the names that those who import its module give them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gpu_functions import commit

PROGRAM = """
import sys
from clearq import Clearq

app = Clearq()


@app.task
async def add(a: int, b: int) -> int:
    return a + b


@app.task(gpus=1)
def train(): ...


def tell():
    from clearq.functions import gpus
    code = gpus.code_of(train.__wrapped__, True)
    print(*[entry.name for entry in app.registry], code.module, code.travels)


if __name__ == "__main__":
    if "spawn" in sys.argv:
        import multiprocessing
        child = multiprocessing.get_context("spawn").Process(target=tell)
        child.start()
        child.join()
    else:
        tell()
"""


def python(folder: Path, *words: str, given: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, input=given, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() + done.stderr


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("jobs.py",), "jobs"),
        (("-m", "jobs"), "jobs"),
        (("lab/work.py",), "work"),
        (("-m", "lab.work"), "lab.work"),
        (("-m", "lab"), "lab.__main__"),
        (("jobs.py", "spawn"), "jobs"),
        (("-m", "lab.work", "spawn"), "lab.work"),
    ],
)
def test_however_it_is_run(tmp_path: Path, words: tuple[str, ...], module: str) -> None:
    (tmp_path / "lab").mkdir()
    for name in ("jobs.py", "lab/work.py", "lab/__main__.py"):
        (tmp_path / name).write_text(PROGRAM)
    (tmp_path / "lab" / "__init__.py").touch()
    commit(tmp_path)
    where = tmp_path / "lab" if module == "work" else tmp_path
    imported = python(where, "-c", f"import importlib; importlib.import_module({module!r}).tell()")
    assert imported == f"{module}.add {module}.train {module} True"
    assert python(tmp_path, *words) == imported


NOWHERE = PROGRAM.replace("    tell()", "    try: tell()\n        except Exception as error: print(error)")


def test_where_nobody_can_import_it_it_says_what_to_do(tmp_path: Path) -> None:
    said = python(tmp_path, "-", given=NOWHERE)
    assert "add is declared where no worker can import it from" in said
    assert "__main__.train needs GPUs, so its code must travel, and it is declared in no file" in said
    assert "move it into a module, such as train.py" in said
    (tmp_path / "train.v2.py").write_text(NOWHERE)
    said = python(tmp_path, "train.v2.py")
    assert "no module's name: move it into a module" in said


def test_a_name_of_its_own_needs_no_module(tmp_path: Path) -> None:
    text = "from clearq import Clearq\n@Clearq().task(name='own')\ndef f(): ...\nprint(f.name)"
    assert python(tmp_path, "-", given=text) == "own"
