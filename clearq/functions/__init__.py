"""Functions as tasks: how they are declared, enqueued, described to a worker and awaited.

``Clearq`` declares them; beside it user code imports from here what stands below.
"""

from __future__ import annotations

from clearq.functions.context import Context, current
from clearq.functions.handle import Handle, as_completed, gather
from clearq.functions.inject import inject
from clearq.functions.limits import Limit, limit
from clearq.functions.signals import Cancel, Retry, Snooze

__all__ = [
    "Cancel",
    "Context",
    "Handle",
    "Limit",
    "Retry",
    "Snooze",
    "as_completed",
    "current",
    "gather",
    "inject",
    "limit",
]
