"""Cron rules, as apps declare them; what becomes of them is the engine's (:mod:`clearq.engine.cron`)."""

from __future__ import annotations

from clearq.engine.cron import CronRule, Missed, checked

__all__ = ["CronRule", "Missed", "checked"]
