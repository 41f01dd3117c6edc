"""Ids and nonces, under the engine's own name."""

from __future__ import annotations

from clearq.models.ids import new_id, nonce

__all__ = ["new_id", "nonce"]
