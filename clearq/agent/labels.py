"""An agent's name: ``lab1:gpu0,1``, ``lab1:gpuall``, or ``lab1:0`` with the first number that is free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from clearq.agent.options import GpuChoice


def labels(host: str, choice: GpuChoice, *, has_gpus: bool, name: str = "") -> Iterator[str]:
    """Names to try, best first. A name that was given, or that follows from the GPUs, is the only one."""
    if name:
        yield name
    elif has_gpus:
        yield f"{host}:gpu{choice.text if choice.kind == 'list' else 'all'}"
    else:
        for number in count():
            yield f"{host}:{number}"
