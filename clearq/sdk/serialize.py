"""Artifacts as bytes: what kind of file an object becomes, and how it is read back.

Reading an artifact of type ``pickle`` runs code chosen by whoever stored it: as in ClearML, read only artifacts
of tasks that you trust.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from clearq.errors import ArtifactError, UsageError

#: Characters kept of an artifact's preview.
PREVIEW_MAX = 2_000


@dataclass(frozen=True)
class Packed:
    """An object as a file."""

    path: Path
    type: str
    preview: str
    temporary: bool = True  #: made for the upload, to be removed after it


def pack(
    name: str,
    value: Any,
    folder: Path,
    *,
    serialize: Callable[[Any], bytes] | None = None,
    extension: str | None = None,
    pickled: bool = True,
    sort_keys: bool = True,
) -> Packed:
    """Write ``value`` into ``folder``; a path that exists is taken as the file (a folder is zipped).

    Raises :class:`~clearq.errors.UsageError` for what can only be pickled when ``pickled`` is off.
    """
    stem = _safe(name)
    if serialize is not None:
        path = folder / f"{stem}{extension or '.bin'}"
        path.write_bytes(serialize(value))
        return Packed(path, "custom", "")
    if (existing := _existing(value)) is not None:
        return _pack_path(existing, folder, stem)
    for kind, matches, write in _WRITERS:
        if matches(value):
            path = folder / f"{stem}{extension or _EXTENSIONS[kind]}"
            preview = write(value, path, sort_keys)
            return Packed(path, kind, preview[:PREVIEW_MAX])
    if not pickled:
        raise UsageError(f"An object of type {type(value).__name__} can only be pickled, and auto_pickle is off.")
    path = folder / f"{stem}{extension or '.pkl'}"
    try:
        path.write_bytes(pickle.dumps(value))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ArtifactError(f"Artifact {name!r} cannot be pickled: {error}") from error
    return Packed(path, "pickle", f"{type(value).__module__}.{type(value).__qualname__}")


def unpack(path: Path, kind: str) -> Any:
    """The object in the file; the path itself for types that are files."""
    reader = _READERS.get(kind)
    return path if reader is None else reader(path)


def _existing(value: Any) -> Path | None:
    if isinstance(value, Path):
        if not value.exists():
            raise ArtifactError(f"There is no file {value} to upload.")
        return value
    if isinstance(value, str) and "\n" not in value and 0 < len(value) < 4096:
        path = Path(value)
        try:
            return path if path.exists() else None
        except (OSError, ValueError):
            return None
    return None


def _pack_path(path: Path, folder: Path, stem: str) -> Packed:
    if path.is_dir():
        archive = shutil.make_archive(str(folder / stem), "zip", path)
        names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
        return Packed(Path(archive), "folder", "\n".join(names)[:PREVIEW_MAX])
    return Packed(path, "file", path.name, temporary=False)


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)[:100] or "artifact"


def _of(module: str, names: tuple[str, ...]) -> Callable[[Any], bool]:
    """Is the value of one of these classes of a library (which need not be installed)?"""

    def matches(value: Any) -> bool:
        return any(
            base.__module__.partition(".")[0] == module and base.__name__ in names for base in type(value).__mro__
        )

    return matches


def _is_json(value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False


def _write_json(value: Any, path: Path, sort_keys: bool) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=sort_keys)
    path.write_text(text)
    return text


def _write_text(value: str, path: Path, sort_keys: bool) -> str:
    path.write_text(value)
    return value


def _write_array(value: Any, path: Path, sort_keys: bool) -> str:
    numpy: Any = import_module("numpy")
    with path.open("wb") as file:
        numpy.savez_compressed(file, value)
    return f"{value.dtype} {value.shape}"


def _write_table(value: Any, path: Path, sort_keys: bool) -> str:
    value.to_csv(path, compression="gzip")
    return str(value.head(10))


def _write_image(value: Any, path: Path, sort_keys: bool) -> str:
    value.save(path, "PNG")
    return f"{value.mode} {value.size}"


def _read_array(path: Path) -> Any:
    numpy: Any = import_module("numpy")
    with numpy.load(path) as archive:
        return archive[archive.files[0]]


def _read_table(path: Path) -> Any:
    pandas: Any = import_module("pandas")
    return pandas.read_csv(path, compression="gzip", index_col=0)


def _read_image(path: Path) -> Any:
    images: Any = import_module("PIL.Image")
    with images.open(path) as image:
        image.load()
        return image


_WRITERS: tuple[tuple[str, Callable[[Any], bool], Callable[[Any, Path, bool], str]], ...] = (
    ("json", _is_json, _write_json),
    ("string", lambda value: isinstance(value, str), _write_text),
    ("numpy", _of("numpy", ("ndarray",)), _write_array),
    ("pandas", _of("pandas", ("DataFrame",)), _write_table),
    ("image", _of("PIL", ("Image",)), _write_image),
)
_EXTENSIONS = {"json": ".json", "string": ".txt", "numpy": ".npz", "pandas": ".csv.gz", "image": ".png"}
_READERS: dict[str, Callable[[Path], Any]] = {
    "json": lambda path: json.loads(path.read_text()),
    "string": lambda path: path.read_text(),
    "numpy": _read_array,
    "pandas": _read_table,
    "image": _read_image,
    "pickle": lambda path: pickle.loads(path.read_bytes()),  # noqa: S301  # see the module's docstring
}
