"""What a server's last words are turned into."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from clearq.errors import ConfigurationError
from clearq.storage.embedded_files import Files, explained
from clearq.storage.embedded_start import failure, port_taken


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, tmp_path)


def test_a_full_disk_is_said_so(files: Files) -> None:
    files.log.write_text(
        "1:M * Valkey is starting\n1:M # Can't open or create append-only dir appendonlydir: No space left on device\n"
    )
    assert "no space left" in str(failure(files, 0))
    assert str(files.data) in str(failure(files, 0))


def test_only_this_start_counts(files: Files) -> None:
    old = "1:M # Could not create server TCP listening socket 127.0.0.1:1: bind: Address already in use\n"
    files.log.write_text(old)
    assert port_taken(files, 0)
    files.log.write_text(old + "1:M # something else\n")
    assert not port_taken(files, len(old))
    assert "something else" in str(failure(files, len(old)))
    assert "Address" not in str(failure(files, len(old)))


def test_a_broken_manifest_names_the_folder(files: Files) -> None:
    files.append_only.mkdir()
    files.log.write_text("1:M # \n*** FATAL AOF MANIFEST FILE ERROR ***\n1:M # Invalid AOF manifest file format\n")
    message = str(failure(files, 0))
    assert str(files.append_only) in message
    assert "--fix" not in message, "there is nothing that check-aof could cut"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "CLEARQ_HOME"), (errno.EROFS, "CLEARQ_URL")],
)
def test_failures_to_write_say_what_to_do(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words), explained(tmp_path):
        raise OSError(number, "cannot")
