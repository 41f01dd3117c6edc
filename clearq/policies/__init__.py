"""Pure decisions: what starts next and where, and why a task waits. No clock, no randomness, no I/O."""

from __future__ import annotations

from clearq.policies.decide import Card, Host, Lineup, Memo, Plan, Start, Waiting, decide, obstacle
from clearq.policies.explain import explain

__all__ = [
    "Card",
    "Host",
    "Lineup",
    "Memo",
    "Plan",
    "Start",
    "Waiting",
    "decide",
    "explain",
    "obstacle",
]
