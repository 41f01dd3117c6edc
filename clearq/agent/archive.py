"""Keep the whole output of an attempt in the artifact store, when Redis keeps only its tail."""

from __future__ import annotations

import gzip
from pathlib import Path

from clearq.artifacts import store_for
from clearq.executors.output import read_frames
from clearq.settings import Settings

#: Its name in the store; each attempt has a file of its own.
NAME = "console"


def too_long(output: Path, settings: Settings) -> bool:
    """Does Redis keep less than all of it?"""
    return output.exists() and output.stat().st_size > settings.log_tail_bytes // 2


def archive(output: Path, settings: Settings, task_id: str, claims: int) -> str:
    """Store the output, compressed, as it was printed; answers its URL. Blocks. Raises ArtifactError, OSError."""
    packed = output.with_name(f"{NAME}-{claims}.log.gz")
    with gzip.open(packed, "wb", compresslevel=5) as file:
        for frame in read_frames(output):
            file.write(frame.data)
    stored = store_for(settings).put(packed, task_id, NAME)
    packed.unlink()
    return stored.url
