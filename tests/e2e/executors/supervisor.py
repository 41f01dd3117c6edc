"""A small supervisor as a process of its own: ``python -m tests.e2e.executors.supervisor FOLDER COMMAND...``.

Ships into ``FOLDER/shipped`` (while ``FOLDER/away`` exists, the storage is away) and prints one JSON line at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from clearq.errors import StorageUnavailable
from clearq.executors.job import Command
from clearq.executors.output import OutputLog
from clearq.executors.shipping import Shipper
from clearq.executors.tree import ProcessTree
from clearq.models import Limits


async def main(folder: Path, argv: Sequence[str]) -> None:
    shipped = (folder / "shipped").open("w")
    peak = 0

    async def append(lines: Sequence[tuple[float, str, str]], _seq: int) -> None:
        nonlocal peak
        peak = max(peak, sum(len(text) for _, _, text in lines))
        if (folder / "away").exists():
            raise StorageUnavailable("away")
        shipped.writelines(f"{text}\n" for _, _, text in lines)

    log = OutputLog(folder / "output.log", limit=int(os.environ.get("LOG_LIMIT", 2**30)))
    tree = ProcessTree(Limits(stop_grace=5.0), log.say)
    shipper = Shipper(log, append)
    shipping = asyncio.create_task(shipper.run())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pid = await tree.start(Command(tuple(argv), folder, dict(os.environ)), log.write)
    (folder / "pid").write_text(f"{pid} {tree.started}")
    end = await tree.wait()
    left = await shipper.drain(60)
    shipping.cancel()
    shipped.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    outcome = end.outcome()
    print(json.dumps({"grown": grown, "left": left, "peak": peak, **outcome.model_dump(), "end": log.end}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
