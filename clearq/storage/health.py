"""What a server's own answers mean for clearq: pure judgments, and the reading of those answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clearq.errors import StorageError, StorageUnavailable
from clearq.storage.connection import OLDEST_SERVER, Storage

#: Seconds by which a host's clock may differ from the server's before we speak of it.
SKEW = 2.0
#: Used share of ``maxmemory`` (or of the machine's memory) from which we warn.
NEARLY_FULL = 0.8


class Level(StrEnum):
    """How bad a finding is. Only errors make ``clearq doctor`` fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    check: str
    level: Level
    says: str
    advice: str = ""  #: what to do; empty when all is well


@dataclass(frozen=True)
class Answers:
    """What the server said of itself."""

    info: Mapping[str, Any]  #: of INFO
    config: Mapping[str, str]  #: of CONFIG GET; empty where that is not allowed
    skew: float  #: server's clock minus ours, seconds


async def ask(storage: Storage) -> Answers:
    """Read them. Raises StorageUnavailable and StorageDenied."""
    info = await storage.command("INFO")
    config: dict[str, str] = {}
    for name in ("appendfsync", "save"):
        try:
            config |= await storage.command("CONFIG GET", name)
        except StorageUnavailable:
            raise
        except StorageError:  # many hosted servers and ACL users may not read it
            continue
    before = time.time()
    seconds, microseconds = await storage.command("TIME")
    skew = int(seconds) + int(microseconds) / 1e6 - (before + time.time()) / 2
    return Answers(info, config, skew)


def judge(answers: Answers) -> list[Finding]:
    """Every check of the server, good ones too."""
    info = answers.info
    findings = [_version(info), _role(info), _persistence(info, answers.config), _eviction(info), _memory(info)]
    return [*(finding for finding in findings if finding is not None), _clock(answers.skew)]


def _version(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("redis_version", "0"))
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {version}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_SERVER:
        return Finding("server", Level.ERROR, f"{name} is too old", "use Redis 6.2 or newer, or Valkey")
    return Finding("server", Level.OK, name)


def _role(info: Mapping[str, Any]) -> Finding | None:
    if info.get("role", "master") == "master":
        return None
    return Finding("role", Level.ERROR, "this is a replica: it takes no writes", "name the primary in CLEARQ_URL")


def _persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> Finding:
    if int(info.get("aof_enabled", 0)):
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
            if info.get(name, "ok") != "ok":
                return Finding(
                    "persistence", Level.ERROR, f"{name} is {info[name]}", "free disk space; see the server's log"
                )
        fsync = config.get("appendfsync", "unknown")
        loss = {
            "always": "nothing acknowledged is ever lost",
            "everysec": "a power cut may take the last two seconds",
            "no": "a power cut may take what the system had not written yet",
        }.get(fsync, "how often it reaches the disk cannot be read")
        return Finding("persistence", Level.OK, f"append-only file, fsync {fsync}: {loss}")
    if config.get("save", "?") == "":
        return Finding(
            "persistence",
            Level.WARNING,
            "none: a restart of the server loses every task",
            "set appendonly yes in the server's configuration",
        )
    return Finding(
        "persistence",
        Level.WARNING,
        "no append-only file: a crash of the server loses all since its last snapshot",
        "set appendonly yes in the server's configuration",
    )


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy in ("noeviction", "unknown"):
        return Finding("eviction", Level.OK, policy)
    return Finding(
        "eviction",
        Level.ERROR,
        f"maxmemory-policy {policy}: a full server would throw work away",
        "set maxmemory-policy noeviction",
    )


def _memory(info: Mapping[str, Any]) -> Finding | None:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    of = "maxmemory" if limit else "the machine's memory"
    limit = limit or int(info.get("total_system_memory", 0))
    if not limit:
        return None
    share = used / limit
    says = f"{used / 2**20:,.0f} MB used, {share:.0%} of {of}"
    if share < NEARLY_FULL:
        return Finding("memory", Level.OK, says)
    level = Level.ERROR if share >= 1 and of == "maxmemory" else Level.WARNING
    return Finding("memory", level, says, "raise maxmemory, clear queues, or archive and delete old tasks")


def _clock(skew: float) -> Finding:
    if abs(skew) <= SKEW:
        return Finding("clock", Level.OK, "this host and the server agree")
    ahead = "behind" if skew > 0 else "ahead of"
    return Finding(
        "clock",
        Level.WARNING,
        f"this host's clock is {abs(skew):.0f} s {ahead} the server's",
        "keep both in step (NTP); nothing but shown ages depends on it",
    )
