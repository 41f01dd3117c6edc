"""What ``clearq worker run`` is told to run, and what it says when that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clearq.cli.main import main
from clearq.errors import ConfigurationError, UsageError
from clearq.worker.load import load_app
from clearq.worker.options import WorkerOptions

MODULE = "from clearq import Clearq\nshop, mail, number = Clearq(), Clearq(), 3\n"


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules ``two_apps`` and ``no_app``."""
    (tmp_path / "two_apps.py").write_text(MODULE)
    (tmp_path / "no_app.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("two_apps", "no_app"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_an_app_is_found() -> None:
    assert load_app("two_apps:shop") is sys.modules["two_apps"].shop


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two_apps:app", "has no 'app'. It has two_apps:shop, two_apps:mail."),
        ("two_apps:number", "is of type int, and no clearq.Clearq app. It has two_apps:shop"),
        ("no_app:app", "make one there, app = Clearq(), and name it no_app:app"),
        ("two_apps.py:mail", "'two_apps.py' is a file. Write two_apps:mail"),
        ("./two_apps.py:mail", "Write two_apps:mail"),
        ("jobs/two_apps:mail", "Write jobs.two_apps:mail"),
        ("no_such:app", "There is no module 'no_such' here"),
    ],
)
def test_what_is_no_app_is_told_with_what_to_write_instead(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_app(name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("jobs/shop.py", "such as jobs.shop:app"), (":mail", "such as tasks:mail"), ("a:x,b:y", "more than one app")],
)
def test_a_name_that_cannot_be_an_app_is_refused_at_once(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        WorkerOptions(app=name)
    assert said in str(caught.value)


@pytest.mark.parametrize(("words", "told"), [(("a:x", "b:y"), True), (("a:x", "--no-such-flag"), False)])
def test_a_second_app_is_told_to_get_a_command_of_its_own(
    words: tuple[str, ...], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["worker", "run", *words]) == 2
    said = capsys.readouterr().err
    assert f"not understood: {words[1]}" in said
    assert ("a command for each app" in said, "Clearq(name=...)" in said) == (told, told)
