"""``TaskTypes``: ClearML's spelling of the task types."""

from __future__ import annotations

from enum import StrEnum


class TaskTypes(StrEnum):
    """The same values as :class:`clearq.models.TaskType`, under ClearML's lower-case names."""

    training = "training"
    testing = "testing"
    inference = "inference"
    data_processing = "data_processing"
    application = "application"
    monitor = "monitor"
    controller = "controller"
    optimizer = "optimizer"
    service = "service"
    qc = "qc"
    custom = "custom"
