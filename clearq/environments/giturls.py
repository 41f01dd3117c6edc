"""Repository addresses: without secrets, fit for a folder name, and safe to hand to git."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from clearq.errors import EnvironmentFailed

#: Transports that git may use; nothing that runs a command (``ext::``).
PROTOCOLS = "file:git:http:https:ssh"


def strip_credentials(url: str) -> str:
    """The URL without user and password; ``ssh://`` keeps its user name, which is no secret."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url
    name = user.partition(":")[0]
    keep = f"{name}@{host}" if parts.scheme in ("ssh", "git+ssh") and name else host
    return urlunsplit(parts._replace(netloc=keep))


def local_path(url: str) -> Path | None:
    """The folder that a repository address names, or None when it is a remote one."""
    if url.startswith("file://"):
        return Path(urlsplit(url).path)
    if "://" in url or re.match(r"^[^/]+:", url):  # a URL, or ssh's host:path
        return None
    return Path(url).expanduser()


def mirror_name(url: str) -> str:
    """A folder name for the mirror of ``url``: readable, and unlike any other's."""
    clean = strip_credentials(url)
    tail = re.sub(r"[^A-Za-z0-9._-]+", "-", clean.rstrip("/").rpartition("/")[2]).strip("-.")
    tail = tail.removesuffix(".git")[:40] or "repository"
    return f"{tail}.{hashlib.sha256(clean.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def check_address(repository: str, branch: str, commit: str) -> None:
    """Refuse what git would take for an option or a command."""
    for what, value in (("repository", repository), ("branch", branch), ("commit", commit)):
        if value.startswith("-") or "\0" in value or "\n" in value:
            raise EnvironmentFailed(f"The task's {what} {value!r} is not valid: correct it and enqueue again.")
    if "::" in repository.partition("/")[0]:
        raise EnvironmentFailed(
            f"The task's repository {repository!r} names a git helper program, which is not allowed:"
            " use an https, ssh or file address."
        )
