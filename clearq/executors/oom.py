"""Was the kernel's out-of-memory killer at work? Read from its counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class OomWatch:
    """The kernel's counters of one moment; compare them later."""

    root: Path
    counts: Mapping[Path, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, root: Path = Path("/")) -> OomWatch:
        """Note the counters of this process's own memory cgroup (its children are in it) and of the host."""
        files = [*_cgroup_files(root), root / "proc/vmstat"]
        return cls(root, {file: count for file in files if (count := _count(file)) is not None})

    def evidence(self) -> str:
        """What has risen since, as a sentence; empty: nothing."""
        for file, before in self.counts.items():
            now = _count(file)
            if now is not None and now > before:
                where = "on this host" if file.name == "vmstat" else "in this memory cgroup"
                kills = "once" if now - before == 1 else f"{now - before} times"
                return f"the kernel's out-of-memory killer struck {kills} {where} while the task ran"
        return ""


def _cgroup_files(root: Path) -> list[Path]:
    """Where our cgroup's counter may lie (version 2, version 1): by its path, then as a container sees it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            bases, name = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"], "memory.events"
        elif "memory" in controllers.split(","):
            bases, name = [root / "sys/fs/cgroup/memory"], "memory.oom_control"
        else:
            continue
        files += [folder / name for base in bases for folder in (base / path.lstrip("/"), base)]
    return list(dict.fromkeys(file for file in files if file.is_file()))


def _count(file: Path) -> int | None:
    try:
        text = file.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return None
