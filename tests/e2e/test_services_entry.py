"""``workers/services.py`` as its unit file starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clearq.engine import Engine
from clearq.models.task import TaskSpec
from clearq.models.worker import Lane, WorkerInfo
from clearq.settings import Settings

ENTRY = Path(__file__).parents[2] / "workers" / "services.py"


async def test_it_starts_what_is_due_and_ends_on_sigterm(engine: Engine, settings: Settings) -> None:
    task_id = await engine.tasks.submit(TaskSpec(name="later"), "default", delay=0.1)
    info = WorkerInfo(label="waiting", lanes=(Lane(queue="default"),))
    worker = await engine.workers.register(info)
    assert (await engine.claims.snapshot(worker, ["default"])).queues[0].heads == ()
    environ = {
        **os.environ,
        "CLEARQ_URL": settings.url.get_secret_value(),
        "CLEARQ_NAMESPACE": settings.namespace,
        "CLEARQ_HOME": str(settings.home),
    }
    services = subprocess.Popen([sys.executable, str(ENTRY)], env=environ)
    try:
        assert await engine.workers.wait_bell(worker, 30.0)
        assert await engine.queues.position(task_id) == ("default", 0)
    finally:
        services.terminate()
        code = services.wait(20)
    assert code == 0
