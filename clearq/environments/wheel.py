"""The agent's own clearq as a wheel, so that the task's code meets the very version that runs it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from clearq._version import __version__
from clearq.environments.commands import from_os_error
from clearq.environments.locks import FileLock
from clearq.errors import EnvironmentFailed

#: Wheels kept; each change of an editable installation makes a new one.
KEPT = 10

_WHEEL = "Wheel-Version: 1.0\nGenerator: clearq\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_DESCRIBING = ("METADATA", "entry_points.txt", "licenses/LICENSE")
_SKIPPED = ("__pycache__", ".mypy_cache", ".ruff_cache")


async def own_wheel(home: Path) -> Path:
    """The wheel of the installed clearq (also an editable one) below ``home/wheels``, made once for its content.

    The file's name holds the content's hash: an equal name means an equal wheel. Raises EnvironmentFailed when
    clearq runs from a folder without being installed.
    """
    try:
        described = _described()
        folder = home / "wheels"
        note = folder / f"{_fingerprint(described)}.name"
        if (wheel := _noted(note)) is not None:
            return wheel
        with FileLock(home / "locks" / "wheels.lock") as lock:
            await lock.acquire()
            if (wheel := _noted(note)) is None:
                wheel = _build(folder, described)
                _write(note, wheel.name.encode())
                _tidy(folder, keep=wheel)
            return wheel
    except OSError as error:
        raise from_os_error(error, "Packing clearq itself for the task's environment", home) from error


def _described() -> dict[str, str]:
    """The files that describe the installed clearq, by their names below ``dist-info``."""
    try:
        installed = distribution("clearq")
    except PackageNotFoundError as error:
        raise EnvironmentFailed(
            "clearq runs here from a folder and is not installed, so no task can get it:"
            " run 'pip install -e .' in that folder."
        ) from error
    texts = {name: installed.read_text(name) for name in _DESCRIBING}
    return {name: text for name, text in texts.items() if text}


def _package() -> Path:
    return Path(__file__).resolve().parent.parent


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name in _SKIPPED or entry.name.endswith((".pyc", "~")):
                continue
            if entry.is_dir():
                yield from _files(Path(entry.path))
            elif entry.is_file():
                yield entry


def _fingerprint(described: dict[str, str]) -> str:
    """Changes whenever a file does; reads names, sizes and times only."""
    digest = hashlib.sha256(repr(described).encode())
    for entry in _files(_package()):
        seen = entry.stat()
        digest.update(f"{entry.path}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _noted(note: Path) -> Path | None:
    try:
        wheel = note.with_name(note.read_text())
    except FileNotFoundError:
        return None
    return wheel if wheel.is_file() else None


def _build(folder: Path, described: dict[str, str]) -> Path:
    package = _package()
    files = {
        f"{package.name}/{Path(entry.path).relative_to(package).as_posix()}": Path(entry.path).read_bytes()
        for entry in _files(package)
    }
    digest = hashlib.sha256(repr(described).encode())
    for name, data in files.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    version = f"{__version__}{'.' if '+' in __version__ else '+'}g{digest.hexdigest()[:12]}"
    info = f"clearq-{version}.dist-info"
    for name, text in described.items():
        files[f"{info}/{name}"] = re.sub(r"(?m)^Version: .*$", f"Version: {version}", text, count=1).encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/RECORD"] = _record(files, info).encode()
    wheel = folder / f"clearq-{version}-py3-none-any.whl"
    _write(wheel, _zipped(files))
    return wheel


def _record(files: dict[str, bytes], info: str) -> str:
    lines = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join(lines) + f"{info}/RECORD,,\n"


def _zipped(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files: no times in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


def _tidy(folder: Path, keep: Path) -> None:
    for pattern in ("*.whl", "*.name"):
        old = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]
        for path in old:
            if path != keep:
                path.unlink(missing_ok=True)
