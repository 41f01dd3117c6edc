"""What git says when it fails, as one sentence that tells people what to do."""

from __future__ import annotations

import re

from clearq.environments.commands import Finished
from clearq.environments.giturls import strip_credentials
from clearq.errors import EnvironmentFailed
from clearq.telemetry import mask_secrets

#: Pattern in git's words, and our sentence. ``{url}`` is the repository; the first match wins.
_FETCH = (
    (
        r"Could not resolve host(?:name)?:? ?(?P<host>[^\s:;]*)",
        "{url} cannot be reached: this host does not find {host} (DNS)."
        " Check the repository's address and this host's network.",
    ),
    (
        r"dubious ownership",
        "{url} belongs to another user of this host, so git refuses it:"
        " run 'git config --global --add safe.directory' for it as the agent's user.",
    ),
    (
        r"Authentication failed|could not read Username|could not read Password|terminal prompts disabled"
        r"|Permission denied|HTTP Basic: Access denied|returned error: 40[13]|Host key verification failed",
        "{url} refused this host: give the agent's user an SSH key that is known there, or a git credential"
        " helper (credentials never travel with a task).",
    ),
    (
        r"[Rr]epository not found|does not appear to be a git repository|returned error: 404"
        r"|[Rr]epository .* (?:does not exist|not found)|No such (?:file or directory|project)",
        "There is no repository at {url} that this host may read: check the address.",
    ),
    (
        r"couldn't find remote ref HEAD",
        "{url} has no commit yet: push one and enqueue the task again.",
    ),
    (
        r"timed out|Connection refused|No route to host|Network is unreachable|Connection reset"
        r"|early EOF|unexpected disconnect|SSL|certificate|transfer closed|Failed to connect",
        "{url} cannot be reached: {word}. Check the repository's address and this host's network.",
    ),
    (
        r"transport '(?P<host>\w+)' not allowed",
        "The protocol {host} of {url} is not allowed: use https or ssh.",
    ),
)


def fetch_failure(url: str, done: Finished) -> EnvironmentFailed:
    """Why the repository could not be fetched."""
    shown = strip_credentials(url)
    if done.code is None:
        return EnvironmentFailed(f"{shown} does not answer: check the repository's address and this host's network.")
    word = _word(done.stderr)
    for pattern, sentence in _FETCH:
        if match := re.search(pattern, done.stderr):
            host = match.groupdict().get("host") or ""
            return EnvironmentFailed(sentence.format(url=shown, host=host, word=word))
    return EnvironmentFailed(f"{shown} could not be fetched: {word}.")


def apply_failure(stderr: str) -> EnvironmentFailed:
    """Which file of the uncommitted changes does not fit the commit."""
    found = re.search(r"error: patch failed: (?P<name>.*):\d+$", stderr, re.MULTILINE) or re.search(
        r"error: (?P<name>.*): (?:No such file or directory|already exists in|does not |cannot |patch does)",
        stderr,
    )
    if found:
        return EnvironmentFailed(
            f"The task's uncommitted changes do not apply to {found['name']} at this commit:"
            " set the commit that they were made on, or commit the changes."
        )
    return EnvironmentFailed(
        f"The task's uncommitted changes are not a patch that git can read ({_word(stderr)}):"
        " clear them or record them again."
    )


def last_line(done: Finished) -> str:
    """What git said at its end, for failures that have no sentence of their own."""
    if done.code is None:
        return "git fell silent"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    text = (fatal or lines or ["git ended without a word"])[-1]
    return mask_secrets(re.sub(r"^(fatal|error): ", "", text)).rstrip(".")


def _word(stderr: str) -> str:
    """The line of git's that says most, without a secret in it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:", "remote:"))]
    line = next((line for line in telling if line.startswith(("ssh:", "remote: "))), (telling or lines or [""])[0])
    return mask_secrets(re.sub(r"^(fatal|error|remote): (error: )?", "", line)).rstrip(".:") or "git said nothing"
