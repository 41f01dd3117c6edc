"""The peers: what is installed for each, and how its worker is started at its best settings.

The settings are those that a sweep of each peer found best; adapters/ has what is set in code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
HIREDIS, UVLOOP = "hiredis==3.5.0", "uvloop==0.23.0"


@dataclass(frozen=True)
class Peer:
    """One framework. ``worker`` is a command; ``{bin}`` stands for its environment's folder of programs."""

    name: str
    requirements: tuple[str, ...]
    worker: str
    settings: str  #: in words, for the report
    tasks: int = 2000  #: that one drain takes: so many that it lasts about a second or longer
    uvloop: bool = False  #: also for its clients
    bulk: bool = True
    results: bool = True  #: stored by default; else an option that the bench sets, and leaves out in a second drain
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def adapter(self) -> str:
        """Its module among the adapters."""
        return f"peer_{self.name}"


CLEARQ = Peer(
    "clearq",
    ("--editable", str(REPOSITORY), UVLOOP),
    "{bin}/clearq worker run peer_clearq:app",
    "defaults (--concurrency 100), uvloop",
    uvloop=True,
    tasks=20_000,
)

PEERS = {
    peer.name: peer
    for peer in (
        CLEARQ,
        Peer(
            "arq",
            ("arq==0.28.0", "redis==5.3.1", HIREDIS, UVLOOP),
            "{bin}/arq peer_arq.WorkerSettings",
            "max_jobs=50, poll_delay=0.01, uvloop; result poll_delay=0.005",
            uvloop=True,
        ),
        Peer(
            "saq",
            # typing_extensions: it does not start without, and does not ask for it.
            ("saq==0.26.4", "redis==7.4.1", HIREDIS, UVLOOP, "typing_extensions"),
            "{bin}/saq peer_saq.settings --quiet",
            "concurrency=50, uvloop",
            uvloop=True,
        ),
        Peer(
            "streaq",
            ("streaq==7.2.0", "coredis==6.9.0", "anyio==4.16.0", UVLOOP),
            "{bin}/streaq run peer_streaq:worker",
            "concurrency=64, uvloop",
            uvloop=True,
            environ={"COREDIS_OPTIMIZED": "1"},
        ),
        Peer(
            "taskiq",
            ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", HIREDIS, UVLOOP),
            "{bin}/taskiq worker peer_taskiq:broker --workers 1 --max-async-tasks 100 --max-prefetch 100 --no-parse"
            " --log-level ERROR",
            "RedisStreamBroker, 1 worker, 100 tasks at once, prefetch 100, uvloop; result check_interval=0.005",
            uvloop=True,
            results=False,
        ),
        Peer(
            "dramatiq",
            ("dramatiq==2.2.1", "redis==8.1.0", HIREDIS),
            "{bin}/dramatiq peer_dramatiq --processes 1 --threads 16",
            "1 process, 16 threads, plain functions",
            bulk=False,
            results=False,
        ),
        Peer(
            "rq",
            ("rq==2.12.0", "redis==8.1.0", HIREDIS),
            "{bin}/python peer_rq.py",
            "SimpleWorker (no fork for a job), plain functions",
            tasks=500,
        ),
        Peer(
            "celery",
            # packaging: its transport imports it, and does not ask for it.
            ("celery==5.7.0", "kombu==5.7.0", "redis==8.1.0", HIREDIS, "packaging"),
            "{bin}/celery -A peer_celery worker --pool=solo --without-gossip --without-mingle --without-heartbeat"
            " --loglevel=ERROR",
            "pool=solo, prefetch 128, acknowledged early (default), plain functions",
            tasks=1000,
            results=False,
        ),
        Peer(
            "huey",
            ("huey==3.5.4", "redis==8.1.0", HIREDIS),
            "{bin}/huey_consumer peer_huey.huey -k thread -w 1 -n -C -q",
            "RedisHuey, 1 thread, notify_result=True",
            bulk=False,
        ),
    )
}
