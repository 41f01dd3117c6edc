"""``--app``: functions that need GPUs run in the agent's own environment. The agent itself loads no user code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from clearq.environments.prepare import calling
from clearq.errors import ConfigurationError
from clearq.executors.kinds import EXECUTORS
from clearq.models import ExecutorKind, Task

#: Seconds that the app may take to be imported.
WITHIN = 120.0


@dataclass(frozen=True)
class OwnApp:
    """The app of an agent."""

    reference: str  #: ``module:attribute``
    name: str  #: as ``Clearq(name=...)`` says; empty: it has none
    folder: Path  #: where the agent was started

    def serves(self, task: Task) -> bool:
        """Is it to be called here, rather than in an environment that is built for it?"""
        function = task.spec.function
        return bool(function.name) and (function.app == self.name or task.spec.executor is ExecutorKind.FUNCTION)


async def find_app(reference: str) -> OwnApp | None:
    """Load the app in a process of its own; ``None`` without a reference. Raises ConfigurationError."""
    if not reference:
        return None
    process = await asyncio.create_subprocess_exec(
        *(*calling(Path(sys.executable)), "--check", reference),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ConfigurationError(f"--app {reference} was not loaded within {WITHIN:g} s.") from None
    if process.returncode:
        raise ConfigurationError(f"--app: {err.decode(errors='replace').strip()}")
    return OwnApp(reference, json.loads(out.splitlines()[-1])["name"], Path.cwd())


def executors(app: OwnApp | None) -> frozenset[str]:
    """What an agent can run; a function whose code does not travel only with an app of its own."""
    kinds = frozenset(kind.value for kind in EXECUTORS)
    return kinds | {ExecutorKind.FUNCTION.value} if app is not None else kinds
