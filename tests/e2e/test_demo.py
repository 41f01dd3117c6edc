"""``clearq demo`` as a user runs it: real downloads, real processes, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_outcome_is_the_expected_one(tmp_path: Path) -> None:
    output = tmp_path / "output"
    words = ["demo", "--plain", "--seconds", "2", "--output", str(output)]
    environ = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    if "UV_CACHE_DIR" not in environ:  # the developer's own cache, so that a second run downloads nothing
        environ["UV_CACHE_DIR"] = str(Path("~/.cache/uv").expanduser())
    done = subprocess.run(
        [sys.executable, "-m", "clearq", *words], env=environ, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert (output / "plot.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert [row["status"] for row in rows].count("completed") == 7
    assert "ZRANGE '{clearq}:q:normal' 0 -1 WITHSCORES" in done.stdout
    assert list(tmp_path.glob("clearq-demo-*")) == []
