"""What all models share: frozen, strict about unknown fields, no I/O."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: made once, never changed; ``model_copy(update=...)`` makes the next one."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
