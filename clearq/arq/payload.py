"""How an arq job travels: in place of ``ctx``, the first argument, goes what the worker makes the ``ctx`` of."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from clearq.functions.options import Serializer
from clearq.functions.serialize import Codec
from clearq.settings import Settings

_OWN = re.compile(r"[0-9a-f]{32}")


def task_id(job_id: str) -> str:
    """clearq's id of a job: arq's where it looks like one of ours, else made from it."""
    return job_id if _OWN.fullmatch(job_id) else hashlib.sha256(b"arq\x00" + job_id.encode()).hexdigest()[:32]


def serializer_of(settings: Settings) -> Serializer:
    """Pickle, as with arq, where both sides share a signing key; else JSON."""
    return "pickle" if settings.signing_key.get_secret_value() else "json"


def encode(function: str, args: tuple[Any, ...], kwargs: dict[str, Any], settings: Settings) -> bytes:
    """Arguments as bytes; the first one is the job's own data. Raises PayloadError."""
    codec = Codec(function, _anything, serializer_of(settings))
    return codec.encode(args, kwargs, settings.signing_key.get_secret_value().encode())


def decode(function: str, data: bytes) -> tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]:
    """The job's own data and its arguments; JSON only. Raises PayloadError."""
    args, kwargs = Codec(function, _anything).decode(data)
    return (args[0] if args else {}), args[1:], kwargs


def _anything(*args: Any, **kwargs: Any) -> Any:
    """Stands for a function that only the worker knows."""
