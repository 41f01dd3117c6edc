"""What the measurements of functions run."""

from __future__ import annotations

from clearq import Clearq

app = Clearq()


@app.task(name="noop")
async def noop() -> None:
    """As little as there can be."""
