"""Redis or Valkey: the only room that speaks to it."""

from clearq.storage.connection import Storage
from clearq.storage.keys import PATTERNS, Keys, metric_key, split_metric_key

__all__ = ["PATTERNS", "Keys", "Storage", "metric_key", "split_metric_key"]
