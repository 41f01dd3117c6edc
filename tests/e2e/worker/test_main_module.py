"""A file that is run as a program enqueues what the worker that imports it knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clearq.engine import Engine
from clearq.settings import Settings

PROGRAM = """
import asyncio
from clearq import Clearq
app = Clearq()

@app.task
async def add(a: int, b: int) -> int:
    return a + b

async def main() -> None:
    await add.enqueue(1, 2)
    await app.close()

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_its_functions_carry_the_module_s_name(tmp_path: Path, settings: Settings, engine: Engine) -> None:
    (tmp_path / "jobs.py").write_text(PROGRAM)
    environ = os.environ | {"CLEARQ_URL": settings.url.get_secret_value(), "CLEARQ_NAMESPACE": settings.namespace}
    subprocess.run([sys.executable, "jobs.py"], cwd=tmp_path, env=environ, check=True, timeout=60)
    keys = engine.storage.keys
    (task_id,) = await engine.storage.command("ZRANGE", keys("fn", "default"), 0, -1)
    assert await engine.storage.command("HGET", keys("t", task_id), "fn") == "jobs.add"
