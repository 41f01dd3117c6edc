"""What waits for the server: in order, numbered, bounded."""

from __future__ import annotations

from typing import Any

import pytest

from clearq.errors import StorageUnavailable
from clearq.models import Parameter, TaskSpec
from clearq.sdk.channels import SCALARS_AT_ONCE, Console, Deeds, Edits, Latest, Lease, Scalars
from clearq.sdk.patch import SpecPatch

LEASE = Lease("t", "1.f", scalars_from=5, console_from=7)


class Server:
    """Stands for the engine: takes reports, or is away after having taken them (the answer is lost)."""

    def __init__(self) -> None:
        self.metrics = self.logs = self.tasks = self
        self.answers = True
        self.reports: list[tuple[int, list[Any]]] = []
        self.spec = TaskSpec(name="t")

    async def report(self, task_id: str, points: list[Any], *, fence: str, seq: int) -> None:
        self.reports.append((seq, [point.value for point in points]))
        self._answer()

    async def append(self, task_id: str, lines: list[Any], *, fence: str, seq: int) -> None:
        self.reports.append((seq, [text for _, _, text in lines]))
        self._answer()

    async def edit(self, task_id: str, change: Any, *, fence: str) -> None:
        self.spec = change(self.spec)
        self._answer()

    def _answer(self) -> None:
        if not self.answers:
            raise StorageUnavailable("away")


async def test_a_batch_without_an_answer_keeps_its_number() -> None:
    server, scalars = Server(), Scalars()
    scalars.add("loss", "train", 1.0, 0)
    server.answers = False
    with pytest.raises(StorageUnavailable):
        await scalars.send(server, LEASE)  # type: ignore[arg-type]
    scalars.add("loss", "train", 2.0, 1)
    server.answers = True
    await scalars.send(server, LEASE)  # type: ignore[arg-type]
    await scalars.send(server, LEASE)  # type: ignore[arg-type]
    assert server.reports == [(5, [1.0]), (5, [1.0]), (6, [2.0])]
    assert scalars.pending == 0


async def test_several_reporters_send_no_numbers() -> None:
    server, scalars = Server(), Scalars()
    scalars.add("loss", "train", 1.0, 0)
    await scalars.send(server, Lease("t", "1.f"))  # type: ignore[arg-type]
    assert server.reports == [(0, [1.0])]


async def test_scalars_travel_in_bounded_batches() -> None:
    server, scalars = Server(), Scalars()
    for i in range(SCALARS_AT_ONCE + 1):
        scalars.add("loss", "train", i, i)
    await scalars.send(server, LEASE)  # type: ignore[arg-type]
    assert len(server.reports[0][1]) == SCALARS_AT_ONCE
    assert scalars.pending == 1


async def test_the_oldest_scalars_are_dropped_and_counted() -> None:
    server, scalars = Server(), Scalars(most=3)
    for i in range(5):
        scalars.add("loss", "train", i, i)
    assert (scalars.pending, scalars.dropped) == (3, 2)
    await scalars.send(server, LEASE)  # type: ignore[arg-type]
    assert server.reports == [(5, [2.0, 3.0, 4.0])]


async def test_the_oldest_lines_are_dropped_and_the_log_says_so() -> None:
    server, console = Server(), Console(most=10)
    for text in ("aaaa", "bbbb", "cccc"):
        console.add(1.0, "stdout", text)
    assert console.dropped == 1
    await console.send(server, LEASE)  # type: ignore[arg-type]
    assert server.reports == [
        (7, ["1 earlier lines were dropped while the server was away", "bbbb", "cccc"]),
    ]
    console.add(2.0, "stdout", "dddd")
    await console.send(server, LEASE)  # type: ignore[arg-type]
    assert server.reports[1] == (8, ["dddd"])


async def test_edits_are_merged_and_never_lost() -> None:
    server, edits = Server(), Edits()
    edits.add(SpecPatch(parameters={"a": Parameter(value="1")}))
    server.answers = False
    with pytest.raises(StorageUnavailable):
        await edits.send(server, LEASE)  # type: ignore[arg-type]
    edits.add(SpecPatch(parameters={"b": Parameter(value="2")}, fields={"comment": "x"}))
    assert edits.pending
    server.answers = True
    await edits.send(server, LEASE)  # type: ignore[arg-type]
    assert not edits.pending
    assert server.spec.comment == "x"
    assert {name: one.value for name, one in server.spec.parameters.items()} == {"a": "1", "b": "2"}


async def test_only_the_newest_of_a_name_counts() -> None:
    sent: list[tuple[str, float]] = []
    latest = Latest(lambda engine, lease, name, value: note(sent, name, value))
    latest.set("a", 1)
    latest.set("a", 2)
    latest.set("b", 3)
    while latest.pending:
        await latest.send(None, LEASE)  # type: ignore[arg-type]
    assert sent == [("a", 2), ("b", 3)]


async def note(sent: list[tuple[str, float]], name: str, value: float) -> None:
    sent.append((name, value))


async def test_a_deed_stays_until_it_is_done() -> None:
    done: list[int] = []
    deeds = Deeds()

    async def fails_once(engine: Any, lease: Lease) -> None:
        done.append(1)
        if len(done) == 1:
            raise StorageUnavailable("away")

    async def second(engine: Any, lease: Lease) -> None:
        done.append(2)

    deeds.add(fails_once)
    deeds.add(second)
    with pytest.raises(StorageUnavailable):
        await deeds.send(None, LEASE)  # type: ignore[arg-type]
    while deeds.pending:
        await deeds.send(None, LEASE)  # type: ignore[arg-type]
    assert done == [1, 1, 2]
