"""What was asked for against what ran: every start is counted, so nothing is lost or doubled unseen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

#: Faults that are kept in words.
SHOWN = 20


@dataclass
class Ledger:
    """Starts by number, from the files that the functions write.

    A call that failed once on purpose starts twice; a killed process makes further starts legal, as many as its task
    counts losses. Memory is bounded: a settled number costs one byte.
    """

    folder: Path
    asked: int = 0
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  #: settled, lost, doubled, late, failed, overlap, ticks
    _open: dict[int, int] = field(default_factory=dict)
    _ended: dict[int, tuple[int, int]] = field(default_factory=dict)
    _settled: bytearray = field(default_factory=bytearray)
    _read: dict[Path, int] = field(default_factory=dict)
    _ticks: dict[str, tuple[int, int]] = field(default_factory=dict)

    def number(self) -> int:
        """The next call's."""
        self.asked += 1
        self._settled.append(0)
        self._open[self.asked - 1] = 0
        return self.asked - 1

    def ended(self, number: int, starts: int, losses: int) -> None:
        """Its result is here: it should have started ``starts`` times, and once more for each loss at most."""
        self._ended[number] = (starts, losses)

    def fault(self, kind: str, text: str) -> None:
        """Something that must not be."""
        self.counts[kind] += 1
        if len(self.faults) < SHOWN:
            self.faults.append(f"{kind}: {text}")

    def settle(self) -> None:
        """Read what was written since, and judge what has ended before. A start is written before its result leaves."""
        ended, self._ended = self._ended, {}
        for file in self.folder.glob("marks.*"):
            with file.open("rb") as lines:
                lines.seek(self._read.get(file, 0))
                text = lines.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read[file] = self._read.get(file, 0) + len(whole)
            for line in whole.decode().splitlines():
                self._started(line)
        for number, (starts, losses) in ended.items():
            self._judge(number, starts, losses)

    def ticks(self) -> dict[str, tuple[int, int]]:
        """Starts and losses of the cron tasks that have run since the last call, by id."""
        ticks, self._ticks = self._ticks, {}
        return ticks

    def unsettled(self) -> int:
        """Calls that were made and not judged yet."""
        return len(self._open)

    def _started(self, line: str) -> None:
        if line.startswith("tick "):
            _, id, losses = line.split()
            self._ticks[id] = (self._ticks.get(id, (0, 0))[0] + 1, int(losses))
            return
        number = int(line)
        if self._settled[number]:
            self.fault("doubled", f"call {number} started again after its end was accepted")
        else:
            self._open[number] += 1

    def _judge(self, number: int, least: int, losses: int) -> None:
        starts = self._open.pop(number)
        self._settled[number] = 1
        self.counts["settled"] += 1
        self.counts["losses"] += losses
        if starts < least:
            self.fault("lost", f"call {number} ended after {starts} starts, {least} were due")
        elif starts > least + losses:
            self.fault("doubled", f"call {number} started {starts} times, {least} were due and {losses} lost")
