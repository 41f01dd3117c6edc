"""The environment variables of the user's process (parity row B-030)."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Set by the agent for this attempt: a task's own ``environment`` cannot change them.
PROTECTED = frozenset(
    {
        "CLEARQ_ATTEMPT",
        "CLEARQ_MARKER",
        "CLEARQ_TASK_ID",
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
    }
)

#: The agent's own credentials. The user's process finds the server through the file ``CLEARQ_ATTEMPT``.
_SECRET = re.compile(r"^(CLEARQ|CLEARML|TRAINS)_(URL$|.*(PASS|SECRET|TOKEN|ACCESS_KEY|CREDENTIAL))")


def task_environ(base: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The agent's environment without clearq's secrets, then the task's ``own``, then what is protected.

    Output of Python programs is not buffered, unless the agent's or the task's environment says otherwise.
    """
    environ = {"PYTHONUNBUFFERED": "1"}
    environ.update((name, value) for name, value in base.items() if not _SECRET.match(name))
    environ.update((name, value) for name, value in own.items() if name not in PROTECTED)
    return environ
