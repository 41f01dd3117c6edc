"""Artifacts as files and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearq.errors import ArtifactError, UsageError
from clearq.sdk.serialize import PREVIEW_MAX, pack, unpack


class Thing:
    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and other.value == self.value

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": [1, 2.5, None]}, "json"),
        ([1, "é🎉"], "json"),
        ({1: "keys are no texts"}, "pickle"),
        ({"a": (1, 2)}, "pickle"),
        ("a text\nof lines", "string"),
        ({1, 2}, "pickle"),
        (Thing(3), "pickle"),
        (4.5, "pickle"),
    ],
)
def test_objects_survive(value: object, kind: str, tmp_path: Path) -> None:
    packed = pack("a/b c", value, tmp_path)
    assert packed.type == kind
    assert packed.path.parent == tmp_path
    assert unpack(packed.path, packed.type) == value


def test_files_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"\0\1")
    for given in (file, str(file)):
        packed = pack("m", given, tmp_path)
        assert (packed.path, packed.type, packed.temporary) == (file, "file", False)
        assert unpack(packed.path, packed.type) == file


def test_a_missing_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no file"):
        pack("m", tmp_path / "missing", tmp_path)


def test_folders_are_zipped(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "x.txt").write_text("x")
    packed = pack("d", folder, tmp_path)
    assert (packed.type, packed.path.suffix, packed.preview) == ("folder", ".zip", "in/x.txt")


def test_what_cannot_be_pickled(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be pickled"):
        pack("m", lambda: None, tmp_path)
    with pytest.raises(UsageError, match="auto_pickle is off"):
        pack("m", Thing(1), tmp_path, pickled=False)


def test_own_serialisation(tmp_path: Path) -> None:
    packed = pack("m", Thing(7), tmp_path, serialize=lambda thing: b"%d" % thing.value, extension=".num")
    assert (packed.type, packed.path.name, packed.path.read_bytes()) == ("custom", "m.num", b"7")


def test_previews_are_bounded(tmp_path: Path) -> None:
    assert len(pack("m", "x" * 10_000, tmp_path).preview) == PREVIEW_MAX
