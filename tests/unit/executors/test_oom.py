"""The out-of-memory killer is named only on evidence, under both versions of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.executors.oom import OomWatch


def put(root: Path, name: str, text: str) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("cgroup", "counter", "text"),
    [
        ("0::/user/job\n", "sys/fs/cgroup/user/job/memory.events", "low 0\noom 5\noom_kill {}\n"),
        ("4:memory:/job\n0::/\n", "sys/fs/cgroup/memory/job/memory.oom_control", "under_oom 0\noom_kill {}\n"),
        ("0::/seen/only/outside\n", "sys/fs/cgroup/memory.events", "oom_kill {}\n"),
        ("0::/\n", "proc/vmstat", "nr_free_pages 12\noom_kill {}\n"),
    ],
)
def test_rising_counter_is_evidence(tmp_path: Path, cgroup: str, counter: str, text: str) -> None:
    put(tmp_path, "proc/self/cgroup", cgroup)
    file = put(tmp_path, counter, text.format(3))
    watch = OomWatch.begin(tmp_path)
    assert watch.evidence() == ""
    file.write_text(text.format(4))
    where = "on this host" if file.name == "vmstat" else "in this memory cgroup"
    assert watch.evidence() == f"the kernel's out-of-memory killer struck once {where} while the task ran"


def test_no_counters_no_evidence(tmp_path: Path) -> None:
    assert OomWatch.begin(tmp_path).evidence() == ""


def test_counter_that_vanishes_is_no_evidence(tmp_path: Path) -> None:
    file = put(tmp_path, "proc/vmstat", "oom_kill 1\n")
    watch = OomWatch.begin(tmp_path)
    file.unlink()
    assert watch.evidence() == ""
