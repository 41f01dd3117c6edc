"""What can be done: verbs over the store, each one atomic script behind it."""

from clearq.engine.claims import QueueView, Snapshot
from clearq.engine.engine import Engine
from clearq.engine.series import QueueSample, WorkerSample

__all__ = ["Engine", "QueueSample", "QueueView", "Snapshot", "WorkerSample"]
