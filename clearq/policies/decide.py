"""Which waiting tasks an agent starts now: ``decide(host, queues, memo) -> Plan``.

First form: an agent has fixed GPUs and gives all of them to each GPU task, so one GPU task runs at a time;
CPU tasks take slots. Between queues: operator order (strict), or strict rotation. Inside a queue: its own
order. A task that cannot start is passed over and blocks nobody: what it waits for is not what others use.

Same arguments, same plan; arguments are never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from clearq.models import Needs, Task

#: Seconds until the next look when work waits for a GPU that somebody outside this agent holds:
#: whoever frees it need not ring our bell.
FOREIGN_GPU_POLL = 1.0


@dataclass(frozen=True)
class Card:
    """One GPU of the agent."""

    uuid: str
    type: str = ""  #: product name, such as ``NVIDIA H100 80GB HBM3``; empty: not known
    memory: int | None = None  #: bytes; ``None``: not known


@dataclass(frozen=True)
class Host:
    """What the agent has, and what of it is free at this moment."""

    slots_free: int
    cards: tuple[Card, ...] = ()
    busy: frozenset[str] = frozenset()  #: UUIDs of cards on which a task of this agent runs or drains
    foreign: frozenset[str] = frozenset()  #: UUIDs of cards that somebody else holds
    #: Each task gets all cards, whether it asks for GPUs or not, and runs alone (``--slots`` not given).
    exclusive: bool = False
    executors: frozenset[str] = frozenset({"process", "venv"})
    cpus: int | None = None  #: cores of the machine
    memory: int | None = None  #: bytes of main memory of the machine


@dataclass(frozen=True)
class Waiting:
    """What counts of a waiting task."""

    id: str
    needs: Needs = field(default_factory=Needs)
    executor: str = "venv"

    @classmethod
    def of(cls, task: Task) -> Waiting:
        """The part of ``task`` that a decision looks at."""
        return cls(task.id, task.spec.needs, task.spec.executor.value)


@dataclass(frozen=True)
class Lineup:
    """The head of one queue, first task first."""

    queue: str
    tasks: tuple[Waiting, ...] = ()
    paused: bool = False


@dataclass(frozen=True)
class Memo:
    """What a plan hands to the next one."""

    served: str = ""  #: queue served last (strict rotation goes on behind it)


@dataclass(frozen=True)
class Start:
    """Start this task with these GPUs."""

    task: str
    queue: str
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The answer of :func:`decide`."""

    starts: tuple[Start, ...] = ()
    memo: Memo = Memo()
    wake_at: float | None = None  #: look again then, even if nothing happens (seconds, the clock of ``now``)


def decide(
    host: Host,
    queues: Sequence[Lineup],
    memo: Memo = Memo(),
    *,
    order: Literal["strict", "rotation"] = "strict",
    now: float = 0.0,
) -> Plan:
    """Choose starts until nothing more fits.

    ``queues`` come in the operator's order. ``strict``: after each start the first queue is asked first
    again. ``rotation``: the next start comes from the queue behind the one served last; an empty one is
    passed over.
    """
    open_queues = [lineup for lineup in queues if not lineup.paused]
    taken: set[str] = set()
    starts: list[Start] = []
    while (start := _next_start(host, _in_order(open_queues, memo, order), taken)) is not None:
        starts.append(start)
        taken.add(start.task)
        host = _without(host, start)
        memo = Memo(served=start.queue)
    return Plan(tuple(starts), memo, _wake_at(host, open_queues, taken, now))


def obstacle(task: Waiting, host: Host) -> str:
    """Why ``host`` can never run ``task``, in a few words; empty when it can."""
    needs = task.needs
    if task.executor == "function" and task.executor not in host.executors:
        return "its code does not travel: it needs an agent with --app"
    if task.executor not in host.executors:
        return f"executor {task.executor} is not served"
    if needs.gpus > len(host.cards):
        return f"needs {needs.gpus} {_gpus(needs.gpus)}, the agent has {len(host.cards)}"
    if needs.gpus:
        fitting = sum(_suits(card, needs) for card in host.cards)
        if fitting < needs.gpus:
            wanted = " ".join(filter(None, [needs.gpu_type, _size(needs.gpu_memory)]))
            return f"needs {needs.gpus} {_gpus(needs.gpus)} of {wanted}, the agent has {fitting}"
    if needs.cpus and host.cpus is not None and needs.cpus > host.cpus:
        return f"needs {needs.cpus:g} cores, the machine has {host.cpus}"
    if needs.memory and host.memory is not None and needs.memory > host.memory:
        return f"needs {_size(needs.memory)} of memory, the machine has {_size(host.memory)}"
    return ""


def _in_order(queues: list[Lineup], memo: Memo, order: str) -> list[Lineup]:
    if order == "strict":
        return queues
    names = [lineup.queue for lineup in queues]
    first = names.index(memo.served) + 1 if memo.served in names else 0
    return queues[first:] + queues[:first]


def _next_start(host: Host, queues: Sequence[Lineup], taken: set[str]) -> Start | None:
    if host.slots_free <= 0 and (host.exclusive or not _cards_free(host)):
        return None
    for lineup in queues:
        for task in lineup.tasks:
            if task.id not in taken and not obstacle(task, host) and _fits_now(task, host):
                return Start(task.id, lineup.queue, _gpus_for(task, host))
    return None


def _uses_gpus(task: Waiting, host: Host) -> bool:
    return bool(host.cards) and (host.exclusive or task.needs.gpus > 0)


def _gpus_for(task: Waiting, host: Host) -> tuple[str, ...]:
    return tuple(card.uuid for card in host.cards) if _uses_gpus(task, host) else ()


def _fits_now(task: Waiting, host: Host) -> bool:
    if _uses_gpus(task, host):
        return _cards_free(host) and (host.slots_free > 0 or not host.exclusive)
    return host.slots_free > 0


def _cards_free(host: Host) -> bool:
    return bool(host.cards) and not any(card.uuid in host.busy | host.foreign for card in host.cards)


def _without(host: Host, start: Start) -> Host:
    takes_slot = host.exclusive or not start.gpus
    return replace(
        host,
        slots_free=host.slots_free - 1 if takes_slot else host.slots_free,
        busy=host.busy | frozenset(start.gpus),
    )


def _wake_at(host: Host, queues: Sequence[Lineup], taken: set[str], now: float) -> float | None:
    """A time to look again: only when a task waits for a card that somebody else holds."""
    if not host.foreign or host.busy or (host.exclusive and host.slots_free <= 0):
        return None
    waits = any(task.id not in taken and not obstacle(task, host) and _uses_gpus(task, host) for task in _all(queues))
    return now + FOREIGN_GPU_POLL if waits else None


def _all(queues: Sequence[Lineup]) -> Iterator[Waiting]:
    return (task for lineup in queues for task in lineup.tasks)


def _suits(card: Card, needs: Needs) -> bool:
    if needs.gpu_type and card.type and needs.gpu_type.casefold() not in card.type.casefold():
        return False
    return not (needs.gpu_memory and card.memory is not None and card.memory < needs.gpu_memory)


def _gpus(count: int) -> str:
    return "GPU" if count == 1 else "GPUs"


def _size(number: int | None) -> str:
    return f"{number / 2**30:.3g} GiB" if number else ""
