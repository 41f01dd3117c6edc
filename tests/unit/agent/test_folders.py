"""An attempt's folder, and the names of a home's agents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.agent.folders import AttemptFolder, MainFile, SupervisorFile, alive
from clearq.agent.registry import AgentFile, Registry, me
from clearq.models import AttemptFile, Outcome, Status, Task, TaskSpec
from clearq.settings import Settings


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptFile:
    task = Task(id="a" * 32, spec=TaskSpec(name="t"), status=Status.IN_PROGRESS, claims=2)
    return AttemptFile(url="redis://:secret@h", namespace="n", home=str(tmp_path), task=task, fence="2.x", holder="h")


def test_what_is_written_is_read_back(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    assert folder.marker == f"{'a' * 32}.2" == attempt.marker
    assert folder.attempt() == attempt
    assert (folder.supervisor(), folder.main(), folder.outcome()) == (None, None, None)
    folder.note_main(MainFile(pid=7, started=8))
    folder.note_outcome(Outcome(status="failed", reason="why"))
    assert folder.main() == MainFile(pid=7, started=8)
    assert folder.outcome() == Outcome(status="failed", reason="why")
    assert [found.path for found in AttemptFolder.all(tmp_path)] == [folder.path]
    folder.remove()
    assert list(AttemptFolder.all(tmp_path)) == []


def test_the_secret_is_for_this_user_only(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    for name in ("claim.json", "attempt.json"):
        assert (folder.path / name).stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_one_only_looks_after_an_attempt(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    assert folder.own("boot")
    assert not folder.own("boot")
    assert not folder.give_up()
    supervisor = folder.supervisor()
    assert supervisor is not None and supervisor.pid == os.getpid()
    assert alive(supervisor, "boot")
    assert not alive(supervisor, "the boot after")
    assert not alive(supervisor.model_copy(update={"started": 1}), "boot"), "a later process of that number"


def test_what_was_given_up_never_begins(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    assert folder.give_up()
    assert not folder.own("boot")
    assert folder.supervisor() == SupervisorFile(pid=0)
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "attempt.json",
        "claim.json",
        "supervisor.json",
        "work",
    ]


def test_a_broken_file_is_no_answer(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    (folder.path / "claim.json").write_text("{")
    assert folder.attempt() is None


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, url=SecretStr("redis://h"), namespace="n")


def test_a_name_is_held_by_one(home: Settings):
    registry = Registry(home)
    held = registry.hold("lab1:gpu0,1")
    assert held is not None
    assert registry.hold("lab1:gpu0,1") is None
    assert registry.alive("lab1:gpu0,1") and not registry.alive("lab1:0")
    held.note(me(AgentFile(label="lab1:gpu0,1", worker="lab1:gpu0,1.x", queues=("a",))))
    assert [agent.worker for agent in registry.living()] == ["lab1:gpu0,1.x"]
    held.close()
    assert list(registry.living()) == []
    again = registry.hold("lab1:gpu0,1")
    assert again is not None
    before = again.before()
    assert before is not None and before.worker == "lab1:gpu0,1.x", "who must be buried"
    again.close(forget=True)
    assert again.before() is None


def test_names_with_slashes_and_other_servers_do_not_meet(home: Settings):
    name = "../../strange name/✓"
    one = Registry(home).hold(name)
    two = Registry(home.model_copy(update={"namespace": "other"})).hold(name)
    assert one is not None and two is not None
    assert {path.parent for path in (home.home / "agents").iterdir()} == {home.home / "agents"}
    one.close()
    two.close()


def test_a_program_that_spoils_its_file_spoils_nothing_else(tmp_path: Path, attempt: AttemptFile):
    folder = AttemptFolder.make(tmp_path, attempt)
    (folder.path / "attempt.json").write_text("garbage")
    assert [each.attempt() for each in AttemptFolder.all(tmp_path)] == [attempt]
