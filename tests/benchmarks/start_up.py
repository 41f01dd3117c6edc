"""What clearq costs a user's program: its import, Task.init, one report."""

from __future__ import annotations

import statistics
import subprocess
import sys

from tests.benchmarks.common import Place, Row

_IMPORT = "import time; t = time.perf_counter(); {what}; print(time.perf_counter() - t)"

_INIT = """
import time
from clearq import Task
t = time.perf_counter()
task = Task.init("bench", "init")
print(time.perf_counter() - t)
task.close()
"""

_REPORT = """
import time
from clearq import Task
task = Task.init("bench", "report")
logger = task.get_logger()
t = time.perf_counter()
for i in range({count}):
    logger.report_scalar("loss", "train", value=1.0 / (i + 1), iteration=i)
print((time.perf_counter() - t) / {count})
task.close()
"""


def imports(place: Place, *, short: bool) -> list[Row]:
    """``import clearq`` and the first use of its face."""
    times = 5 if short else 15
    package = _median(place, _IMPORT.format(what="import clearq"), times)
    face = _median(place, _IMPORT.format(what="from clearq import Task, Logger, Clearq"), times)
    return [
        _row("import clearq", package, 0.150),
        Row("from clearq import Task, Logger, Clearq", f"{face * 1000:.0f} ms", numbers={"seconds": face}),
    ]


def sdk(place: Place, *, short: bool) -> list[Row]:
    """Task.init against a local server, and the cost of one report."""
    init = _median(place, _INIT, 3 if short else 10)
    report = _median(place, _REPORT.format(count=5_000 if short else 20_000), 1 if short else 3)
    return [
        _row("Task.init, local server", init, 0.200),
        Row("report_scalar, one call", f"{report * 1e6:.1f} us", numbers={"seconds": report}),
    ]


def _row(what: str, seconds: float, limit: float) -> Row:
    return Row(what, f"{seconds * 1000:.0f} ms", f"<= {limit * 1000:.0f} ms", seconds <= limit, {"seconds": seconds})


def _median(place: Place, program: str, times: int) -> float:
    """The last line that ``program`` prints, as a number: the median over so many fresh processes."""
    values = []
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", program], env=place.environ(), capture_output=True, text=True, check=True
        )
        values.append(float(done.stdout.split()[-1]))
    return statistics.median(values)
