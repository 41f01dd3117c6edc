"""Functions that need GPUs: which code travels, how arguments do, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clearq import Clearq, limit
from clearq.errors import UsageError
from clearq.functions import gpus
from clearq.functions.payloads import MARK
from tests.support.gpu_functions import commit

MODULE = "from clearq import Clearq\napp = Clearq()\n@app.task(gpus=1)\ndef train(x: int = 1) -> int: return x\n"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Code is recorded once a process."""
    gpus._codes.clear()
    yield
    gpus._codes.clear()


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a module below a folder and import it from there."""

    def load(root: Path, name: str) -> ModuleType:
        file = root.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MODULE)
        monkeypatch.syspath_prepend(str(root))
        for part in (name, name.partition(".")[0]):
            monkeypatch.delitem(sys.modules, part, raising=False)
        return import_module(name)

    return load


@pytest.mark.parametrize("args", [b"[]", b'{"a":[],"k":{}}', MARK + b'{"name":"n"}', b"\x00p1\xff\x00", "[é]".encode()])
def test_arguments_come_back_as_they_were(args: bytes) -> None:
    text = gpus.to_text(args)
    text.encode("utf-8")
    assert gpus.from_text(text) == args


def code(module: ModuleType) -> gpus.Code:
    return gpus.code_of(module.train.__wrapped__, True)


def test_a_module_of_a_repository_starts_where_it_is_imported_from(tmp_path: Path, imported: Any) -> None:
    module = imported(tmp_path / "src", "lab_one.train")
    commit(tmp_path)
    (tmp_path / "src" / "lab_one" / "train.py").write_text(MODULE + "# changed\n")
    found = code(module)
    assert (found.module, found.travels) == ("lab_one.train", True)
    script = found.script
    assert (script.working_dir, script.entry_point) == ("src", "lab_one/train.py")
    assert "# changed" in script.diff
    assert "clearq" in (script.requirements or "").split()
    assert code(module) is found


def test_a_file_in_no_repository_travels_itself(tmp_path: Path, imported: Any) -> None:
    found = code(imported(tmp_path, "lab_two"))
    assert (found.script.entry_point, found.script.diff, found.script.repository) == ("lab_two.py", MODULE, "")


@pytest.mark.parametrize("repository", ["none", "within"])
def test_a_package_travels_as_a_whole_or_not_at_all(
    tmp_path: Path, imported: Any, repository: str, caplog: pytest.LogCaptureFixture
) -> None:
    module = imported(tmp_path, "lab_three.train")
    if repository == "within":
        commit(tmp_path / "lab_three")
    assert code(module).travels is False
    assert "only agents with --app can run it" in caplog.text


def test_a_module_of_an_installed_package_travels_as_its_name_and_version() -> None:
    import pydantic.version

    found = gpus.code_of(pydantic.version.version_info, True)
    assert found.script.entry_point == "-m pydantic.version"
    assert (found.script.requirements or "").split() == [f"pydantic=={pydantic.VERSION}", "clearq"]


async def test_a_module_must_not_enqueue_itself_while_it_is_imported() -> None:
    app = Clearq()
    with gpus.importing("train"), pytest.raises(UsageError, match="under if __name__ == '__main__'"):
        await gpus.submit(None, app, print, app.task(gpus=1)(print).given, app.task(print)._call((), {}))  # type: ignore[arg-type]


def test_a_function_without_a_file_is_refused() -> None:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec("def train(): ...", space)  # noqa: S102
    with pytest.raises(UsageError, match=r"nowhere\.train needs GPUs.* declared in no file"):
        gpus.code_of(space["train"], True)


def test_a_cron_rule_describes_the_task_once_a_worker_asks_for_it(tmp_path: Path, imported: Any) -> None:
    module = imported(tmp_path, "lab_four")
    slow = module.train.options(queue="gpu", priority=3, keep_result=90, limits=limit("lab", concurrent=1))
    module.app.cron("* * * * *", name="nightly")(slow)
    assert gpus._codes == {}, "an import records nothing"
    [rule] = module.app.cron_rules()
    assert (rule.name, rule.function, rule.queue, rule.priority) == ("nightly", "lab_four.train", "gpu", 3)
    assert {name: rule.extra[name] for name in ("name", "needs.gpus", "keep", "limits", "function.module")} == {
        "name": "lab_four.train",
        "needs.gpus": "1",
        "keep": "90000",
        "limits": "lab",
        "function.module": "lab_four",
    }
    assert rule.extra["script.diff"] == MODULE
    assert "sizes" not in rule.extra, "the worker sets those"
    first = rule.revision
    gpus._codes.clear()
    (tmp_path / "lab_four.py").write_text(MODULE + "# changed\n")
    assert module.app.cron_rules()[0].revision != first, "a worker with newer code defines it anew"
