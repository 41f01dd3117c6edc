"""A tree's CPU and memory, measured on real processes."""

from __future__ import annotations

import os
import subprocess
import sys

from clearq.executors.usage import UsageMeter


def test_busy_process_is_seen_and_ended_ones_count_nothing() -> None:
    now = [1000.0]
    meter = UsageMeter(clock=lambda: now[0])
    code = "import sys, time\nwhile time.process_time() < .3: pass\nprint('busy', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        pids = [process.pid, os.getpid()]
        meter.sample([])
        now[0] += 1.0
        assert process.stdout is not None
        process.stdout.readline()
        first = meter.sample([process.pid])
        assert first.processes == 1
        assert 25 <= first.cpu < 300
        assert first.memory > 1_000_000
        now[0] += 1.0
        second = meter.sample([process.pid])
        assert second.cpu < first.cpu, "only what was used since the sample before"
        both = meter.sample(pids)
        assert both.processes == 2
        assert both.memory > second.memory
        process.kill()
    assert meter.sample([process.pid]).processes == 0
