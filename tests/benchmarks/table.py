"""The rows of a measurement, as a table or as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence

from clearq.cli.output import Cell, Column, Output
from tests.benchmarks.common import Row


def show(rows: Sequence[Row], out: Output) -> None:
    """Print them."""
    if out.json:
        out.raw(json.dumps([row.__dict__ for row in rows], indent=2) + "\n")
        return
    words = {True: Cell("kept", "green"), False: Cell("NOT KEPT", "red"), None: Cell("")}
    columns = [Column("WHAT"), Column("MEASURED"), Column("PROMISE"), Column("")]
    out.table(columns, [[r.what, r.measured, r.promise, words[r.kept]] for r in rows], empty="nothing measured")
    out.say(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}")
