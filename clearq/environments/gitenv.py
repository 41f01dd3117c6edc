"""The environment that git runs in: no questions, no other repository, no program that an address names."""

from __future__ import annotations

import os

from clearq.environments.giturls import PROTOCOLS

#: Unless the host's own configuration says otherwise.
SSH = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"

#: Set inside git hooks; they would point git to another repository than the folder's.
_ELSEWHERE = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR"}
)


def local_environ() -> dict[str, str]:
    """For questions to a work tree: git takes no locks and speaks plain English."""
    environ = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return environ | {
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def network_environ() -> dict[str, str]:
    """For fetching: credentials come from the agent's own keys and helpers, never from a question."""
    return local_environ() | {
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_HTTP_LOW_SPEED_LIMIT": "100",
        "GIT_HTTP_LOW_SPEED_TIME": "60",
    }
