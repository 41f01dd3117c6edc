"""Every noun of the command line and its file; help is printed from here without importing any of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """``clearq <name>``, defined by ``register(subparsers)`` of ``clearq.cli.<module>``."""

    name: str
    module: str
    summary: str
    #: Verb that is meant when options follow the noun at once: ``clearq agent --queue a``.
    default_verb: str = ""


GROUPS: tuple[tuple[str, tuple[Noun, ...]], ...] = (
    (
        "Start here",
        (
            Noun("demo", "demo", "a guided tour with real trainings"),
            Noun("run", "run", "run a command of this directory on a worker, follow it, exit with its code"),
            Noun("help", "help", "pages about one subject: clearq help TOPIC"),
        ),
    ),
    (
        "Work",
        (
            Noun("task", "task", "list, read, stop, clone, enqueue and edit tasks"),
            Noun("queue", "queue", "list, make, re-order, pause and clear queues"),
            Noun("cron", "cron", "list, run and remove rules that run functions at certain times"),
        ),
    ),
    (
        "Machines",
        (
            Noun("agent", "agent", "serve queues on this host", default_verb="daemon"),
            Noun("worker", "worker", "list and inspect workers"),
        ),
    ),
    (
        "Server",
        (
            Noun("up", "server", "start this user's private server"),
            Noun("down", "server", "stop it"),
            Noun("metrics", "metrics", "queues, workers and functions for Prometheus"),
            Noun("doctor", "doctor", "check the server, this host and the data"),
        ),
    ),
)

NOUNS: dict[str, Noun] = {noun.name: noun for _, nouns in GROUPS for noun in nouns}
