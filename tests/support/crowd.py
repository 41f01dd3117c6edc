"""Many processes that do one thing at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
from clearq.settings import Settings
from clearq.storage import embedded

home, count, deaths = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
gate, opener = os.pipe()
out, answer = os.pipe()
children = []
for index in range(count):
    child = os.fork()
    if child:
        children.append(child)
        continue
    os.close(opener)
    os.read(gate, 1)  # all wait here until the parent opens the gate
    found = asyncio.run(embedded.ensure(Settings(home=home)))
    os.write(answer, json.dumps([found.pid, found.started_now]).encode() + b"\\n")
    os._exit(0)
os.close(answer)
os.close(opener)
for index, delay in enumerate(deaths):
    time.sleep(delay)
    os.kill(children[index], signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
with open(out) as answers:
    print(json.dumps([json.loads(line) for line in answers]))
"""


def ensure_at_once(home: Path, count: int, deaths: tuple[float, ...] = ()) -> list[tuple[int, bool]]:
    """``count`` processes ask for the embedded server at once; (pid, started now) of each that answered.

    The first ones are killed, so many seconds after each other, as ``deaths`` says.
    """
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(home), str(count), json.dumps(deaths)],
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    answers: list[list[Any]] = json.loads(done.stdout)
    return [(int(pid), bool(started)) for pid, started in answers]
