"""Where an artifact lies below the store's root, and how that is written down."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

#: Bytes of one part of a path; file systems allow 255.
PART_MAX = 120


def part(name: str) -> str:
    """A file name for any text: readable where it can be, never a path, and unlike that of any other text."""
    plain = re.sub(r"[^A-Za-z0-9._+=,@-]+", "_", name)
    if plain == name and not name.startswith(".") and 0 < len(name) <= PART_MAX:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{plain[: PART_MAX - 20].strip('._')}~{digest}"


def file_part(name: str) -> str:
    """The same for a file's name: its suffixes stay, so that programs know what it is."""
    made = part(name)
    suffix = "".join(Path(name).suffixes[-2:])
    fits = re.fullmatch(r"(?:\.[A-Za-z0-9]{1,8}){1,2}", suffix)
    return made if made == name or not fits else made + suffix


def as_url(root: str) -> str:
    """A folder's path as ``file://``; any other address as it is, without a slash at its end."""
    if "://" in root:
        return root.rstrip("/")
    return Path(root).expanduser().absolute().as_uri().rstrip("/")


def public(url: str) -> str:
    """The address without user and password: this is what is written down."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)) if host != parts.netloc else url


def local_file(url: str) -> Path | None:
    """The path behind a ``file://`` address (or a plain path); None for storage elsewhere."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return Path(url) if "://" not in url else None
