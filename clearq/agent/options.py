"""What an agent was asked to be, and the grammar of ``--gpus``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clearq.errors import UsageError

_GPU_PART = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


@dataclass(frozen=True)
class GpuChoice:
    """Which GPUs of the machine: all of them, none, or these indices."""

    kind: str = "auto"  #: ``auto`` (all there are, if any), ``all``, ``none``, ``list``
    indices: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """As it stands in the worker's name: ``all``, ``0,1`` or empty."""
        return ",".join(map(str, self.indices)) if self.kind == "list" else self.kind


def parse_gpus(text: str) -> GpuChoice:
    """``0``, ``0,1``, ``0-7``, ``all`` or ``none``. Raises UsageError for anything else."""
    word = text.strip().lower()
    if word in ("all", "none"):
        return GpuChoice(word)
    indices: list[int] = []
    for part in word.split(","):
        match = _GPU_PART.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"--gpus {text!r} is not understood; write 0, 0,1, 0-7, all or none")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UsageError(f"--gpus {text!r}: {last} comes before {first}; write the smaller index first")
        indices += range(first, last + 1)
    if len(set(indices)) != len(indices):
        raise UsageError(f"--gpus {text!r} names a GPU twice")
    return GpuChoice("list", tuple(indices))


@dataclass(frozen=True)
class AgentOptions:
    """One agent's command line."""

    queues: tuple[str, ...] = ("default",)  #: names, in the operator's order
    gpus: GpuChoice = GpuChoice()
    slots: int | None = None  #: CPU tasks at once; ``None``: one, and on a GPU agent each task gets all GPUs
    name: str = ""  #: the worker's whole name; empty: made from host and GPUs
    create_queue: bool = False
    order_fairness: bool = False
    foreground: bool = False  #: show the tasks' own output too
    app: str = ""  #: ``module:attribute``: its functions that need GPUs run in the agent's own environment
    log: str = ""  #: the file that a detached agent writes to

    def __post_init__(self) -> None:
        if not self.queues:
            raise UsageError("name at least one queue: --queue NAME [NAME ...]")
        if len(set(self.queues)) != len(self.queues):
            raise UsageError(f"a queue is named twice: {' '.join(self.queues)}")
        if self.slots is not None and self.slots < 1:
            raise UsageError("--slots must be 1 or more")
        module, colon, attribute = self.app.partition(":")
        if self.app and not (module and colon and attribute):
            raise UsageError(f"--app {self.app!r} names no app; write module:attribute, such as tasks:app")
