"""Ids and nonces."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """A task id: 32 hex characters, ordered by time of making (milliseconds, then chance)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def nonce() -> str:
    """A word that no other call uses; it makes a fence or a request one of a kind."""
    return secrets.token_hex(6)
