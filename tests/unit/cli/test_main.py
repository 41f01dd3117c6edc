"""Finding the noun, global flags, exit codes."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from clearq import errors
from clearq.cli import exits
from clearq.cli.main import main
from clearq.cli.nouns import NOUNS, Noun

calls: list[Namespace] = []


@pytest.fixture(autouse=True)
def noun(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A noun ``toy`` with the verbs ``do`` (its default) and ``fail``."""
    module = ModuleType("clearq.cli.toy")

    def do(args: Namespace, ctx: Any) -> None:
        calls.append(args)

    async def fail(args: Namespace, ctx: Any) -> int:
        raise getattr(errors, args.error)("it went wrong\ndo this")

    def register(subparsers: Any) -> None:
        verbs = subparsers.add_parser("toy").add_subparsers(dest="verb")
        verb = verbs.add_parser("do")
        verb.add_argument("--queue", nargs="+")
        verb.add_argument("rest", nargs="*")
        verb.set_defaults(run=do)
        verb = verbs.add_parser("fail")
        verb.add_argument("error")
        verb.set_defaults(run=fail)

    module.register = register  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clearq.cli.toy", module)
    monkeypatch.setitem(NOUNS, "toy", Noun("toy", "toy", "a toy", default_verb="do"))
    calls.clear()
    yield


@pytest.mark.parametrize(
    "line",
    [
        "--json --url redis://x toy do a",
        "toy --json --url redis://x do a",
        "toy do a --json --url=redis://x",
        "--url=redis://x toy do --json a",
    ],
)
def test_global_flags_count_in_any_place(line: str) -> None:
    assert main(line.split()) == 0
    assert (calls[0].json, calls[0].url, calls[0].rest) == (True, "redis://x", ["a"])


def test_absent_global_flags_are_not_set() -> None:
    assert main(["toy", "do"]) == 0
    assert not hasattr(calls[0], "url")


@pytest.mark.parametrize("line", ["toy --queue a b", "toy --json --queue a b", "--json toy --queue a b"])
def test_options_right_after_the_noun_mean_its_default_verb(line: str) -> None:
    assert main(line.split()) == 0
    assert calls[0].queue == ["a", "b"]


@pytest.mark.parametrize("line", ["toy", "toy --help", "toy do --help", "", "--help", "--json"])
def test_help_is_printed(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    assert "usage: clearq" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from clearq import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"clearq {__version__}\n"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("taks ls", "did you mean: clearq task"),
        ("xyzzy", "see: clearq --help"),
        ("toy do --colour", "see: clearq toy do --help"),
        ("toy dont", "see: clearq toy --help"),
        ("toy fail", "see: clearq toy fail --help"),
    ],
)
def test_mistakes_end_with_2_and_name_the_help(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == exits.USAGE
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert hint in printed


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("UsageError", 2),
        ("ConfigurationError", 2),
        ("TaskNotFound", 3),
        ("QueueNotFound", 3),
        ("StatusConflict", 4),
        ("QueueNotEmpty", 4),
        ("StorageUnavailable", 5),
        ("StorageDenied", 5),
        ("StorageFull", 5),
        ("WaitTimeout", 124),
        ("EnvironmentFailed", 1),
        ("ClearqError", 1),
    ],
)
def test_errors_become_exit_codes_and_sentences(error: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "fail", error]) == code
    assert capsys.readouterr().err == "error: it went wrong\ndo this\n"


def test_the_traceback_is_there_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARQ_DEBUG", "1")
    with pytest.raises(errors.TaskNotFound):
        main(["toy", "fail", "TaskNotFound"])


def test_control_characters_and_endless_words_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["\x1b[2J" + "x" * 10_000]) == exits.USAGE
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert len(printed) < 500


def test_arguments_that_are_no_text_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "do", "\udcff"]) == exits.USAGE
    assert "not valid UTF-8" in capsys.readouterr().err


def test_a_wrong_setting_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "ls", "--namespace", "a b"]) == exits.USAGE
    printed = capsys.readouterr().err
    assert "namespace" in printed
    assert "Traceback" not in printed


def test_help_imports_no_noun_and_nothing_heavy() -> None:
    code = (
        "import sys; from clearq.cli.main import main; main(['--help']);"
        "heavy = {'rich', 'pydantic', 'redis', 'asyncio', 'clearq.cli.task', 'clearq.settings'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name in NOUNS if name not in ("demo", "agent", "toy")])
def test_each_noun_registers_under_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: clearq {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("task", "nonsense"), ("there is no clearq task nonsense", "there are: ls, ")),
        (("task", "shwo", "x"), ("there is no clearq task shwo", "did you mean: clearq task show")),
        (("task", "show", "a", "b"), ("not understood: b", "see: clearq task show --help")),
        (("task", "enqueue", "a", "--priority", "high"), ("--priority: not a number: 'high'",)),
        (("--namespace", "a:b", "task", "ls"), ("setting namespace: must have 1 to 64 characters, without spaces",)),
        (("run", "--", ""), ("what shall run?",)),
        (("run", "--branch", "x", "--", "true"), ("--branch has no meaning for a command",)),
    ],
)
def test_what_is_wrong_with_a_line_is_said_plainly(
    words: tuple[str, ...], told: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert all(each in error for each in told), error
