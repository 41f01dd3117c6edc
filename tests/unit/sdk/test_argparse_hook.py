"""Command lines: recorded by hand, overridden under an agent."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

import pytest

from clearq.errors import UsageError
from clearq.models import Parameter
from clearq.sdk import argparse_hook
from clearq.sdk.init import CommandLine


class Listener:
    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self.stored = {f"Args/{name}": Parameter(value=value) for name, value in (stored or {}).items()}
        self.recorded: dict[str, Parameter] = {}
        self.all = True

    def wants(self, name: str, *, explicit: bool) -> bool:
        return self.all or explicit

    def record(self, parameters: Mapping[str, Parameter]) -> None:
        self.recorded |= parameters

    @property
    def values(self) -> dict[str, str]:
        return {name.removeprefix("Args/"): parameter.value for name, parameter in self.recorded.items()}


@pytest.fixture(autouse=True)
def hook() -> Iterator[None]:
    argparse_hook.install()
    argparse_hook._newest = None
    yield
    argparse_hook.listen(None)
    argparse_hook._newest = None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("--lr", type=float, default=0.1)
    made.add_argument("--layers", type=int, nargs="+", default=[1, 2])
    made.add_argument("--fast", action="store_true")
    made.add_argument("--kind", choices=["a", "b"], default="a")
    made.add_argument("--seed", type=int)
    return made


def test_records_names_values_and_types() -> None:
    listener = Listener()
    argparse_hook.listen(listener)
    parser().parse_args(["--lr", "0.5", "--fast"])
    assert listener.recorded == {
        "Args/lr": Parameter(value="0.5", type="float"),
        "Args/layers": Parameter(value="[1, 2]", type="list"),
        "Args/fast": Parameter(value="True", type="bool"),
        "Args/kind": Parameter(value="a", type="str"),
        "Args/seed": Parameter(value="", type="NoneType"),
    }


def test_stored_values_win_in_their_types() -> None:
    argparse_hook.listen(Listener({"lr": "0.5", "layers": "[3]", "fast": "True", "kind": "b", "seed": "7"}))
    args = parser().parse_args(["--lr", "9"])
    assert vars(args) == {"lr": 0.5, "layers": [3], "fast": True, "kind": "b", "seed": 7}


def test_required_arguments_may_come_from_the_task() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("data")
    made.add_argument("more", nargs="+")
    made.add_argument("--lr", type=float, required=True)
    group = made.add_mutually_exclusive_group(required=True)
    group.add_argument("--one")
    group.add_argument("--two")
    argparse_hook.listen(Listener({"data": "x.csv", "more": '["y"]', "lr": "0.5", "two": "z"}))
    args = made.parse_args([])
    assert (args.data, args.more, args.lr, args.two) == ("x.csv", ["y"], 0.5, "z")
    argparse_hook.listen(None)
    with pytest.raises(SystemExit):
        made.parse_args([])


@pytest.mark.parametrize("stored", [{"lr": "fast"}, {"kind": "c"}, {"layers": "[x]"}])
def test_wrong_stored_values_are_told(stored: dict[str, str]) -> None:
    argparse_hook.listen(Listener(stored))
    with pytest.raises(UsageError, match=f"Args/{next(iter(stored))}"):
        parser().parse_args([])


def test_sub_commands() -> None:
    made = argparse.ArgumentParser()
    commands = made.add_subparsers(dest="command")
    for name, kind in (("train", float), ("test", int)):
        commands.add_parser(name).add_argument("--x", type=kind, default=kind(1))
    listener = Listener({"x": "2"})
    argparse_hook.listen(listener)
    args = made.parse_args(["test"])
    assert (args.command, args.x, type(args.x)) == ("test", 2, int)
    assert type(made.parse_args(["train"]).x) is float
    assert listener.values["command"] == "train"


def test_parsed_before_the_task_began() -> None:
    args = parser().parse_args(["--lr", "0.5"])
    listener = Listener({"seed": "3"})
    argparse_hook.listen(listener)
    assert listener.values["lr"] == "0.5"
    assert args.seed == 3


def test_switched_off_but_connected() -> None:
    listener = Listener()
    listener.all = False
    argparse_hook.listen(listener)
    parser().parse_args([])
    assert not listener.recorded
    made = parser()
    argparse_hook.connect_parser(made)
    made.parse_args([])
    assert listener.values["lr"] == "0.1"


def test_known_args_leaves_the_rest() -> None:
    listener = Listener()
    argparse_hook.listen(listener)
    args, rest = parser().parse_known_args(["--lr", "0.5", "--other", "1"])
    assert (args.lr, rest) == (0.5, ["--other", "1"])
    assert listener.values["lr"] == "0.5"


def test_functions_are_no_parameters() -> None:
    made = argparse.ArgumentParser()
    made.set_defaults(func=print, level=1)
    listener = Listener()
    argparse_hook.listen(listener)
    made.parse_args([])
    assert listener.values == {"level": "1"}


def test_some_arguments_can_be_left_out() -> None:
    assert not CommandLine(None, {"lr": False}).wants("lr", explicit=False)  # type: ignore[arg-type]
    assert CommandLine(None, {"lr": False}).wants("x", explicit=False)  # type: ignore[arg-type]
    assert not CommandLine(None, {"*": False, "lr": True}).wants("x", explicit=False)  # type: ignore[arg-type]
    assert CommandLine(None, {"*": False, "lr": True}).wants("lr", explicit=False)  # type: ignore[arg-type]
