"""Ids and nonces."""

from __future__ import annotations

import os
import time
from random import Random

# They are no secrets, they must only never meet again. To ask the system for each one is dearer than
# all the rest that an enqueue does in Python.
_chance = Random()
os.register_at_fork(  # else both sides would go on with the same ones
    after_in_child=_chance.seed
)


def new_id() -> str:
    """A task id: 32 hex characters, ordered by time of making (milliseconds, then chance)."""
    return f"{time.time_ns() // 1_000_000:012x}{_chance.getrandbits(80):020x}"


def nonce() -> str:
    """A word that no other call uses; it makes a fence or a request one of a kind."""
    return f"{_chance.getrandbits(48):012x}"
