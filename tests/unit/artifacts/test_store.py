"""Files go into the store and come back, whatever their names, and each failure is one sentence."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from pathlib import Path
from typing import Any

import fsspec
import pytest

from clearq.artifacts import ArtifactStore, fetch, store_for
from clearq.artifacts.cache import DownloadCache
from clearq.artifacts.naming import file_part, part
from clearq.artifacts.store import PARTIAL
from clearq.errors import ArtifactError
from clearq.models import ArtifactInfo
from clearq.settings import Settings

TASK = "0123456789abcdef" * 2
NAMES = [
    "plain",
    "with space",
    "a/b",
    "../../up",
    ".",
    "..",
    "",
    "quo'te\"",
    "new\nline",
    "\U0001f600 \u00e9",
    "x" * 10_000,
]


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    cache = DownloadCache(tmp_path / "downloads")
    if request.param == "folder":
        yield ArtifactStore(str(tmp_path / "a b%20c"), cache)
        return
    yield ArtifactStore("memory://bucket/x", cache)
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("name", NAMES)
def test_bytes_of_any_name_come_back(store: ArtifactStore, name: str) -> None:
    stored = store.put(b"content", TASK, name)
    assert (stored.size, stored.hash) == (7, hashlib.sha256(b"content").hexdigest())
    assert store.holds(stored.url)
    assert store.get(stored.url, hash=stored.hash).read_bytes() == b"content"


def test_names_never_meet() -> None:
    parts = {part(name) for name in NAMES}
    assert len(parts) == len(NAMES)
    assert all(0 < len(each) <= 120 and "/" not in each and not each.startswith(".") for each in parts)


def test_suffixes_stay_readable() -> None:
    assert file_part("model.pt") == "model.pt"
    assert file_part("my table.csv.gz").endswith(".csv.gz")
    assert file_part("x" * 300 + ".png").endswith(".png")


def test_files_and_large_ones_come_back(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(os.urandom(9_000_000))
    stored = store.put(source, TASK, "weights")
    assert stored.url.endswith("/weights.bin") and stored.size == 9_000_000
    assert store.get(stored.url, hash=stored.hash).read_bytes() == source.read_bytes()


def test_storing_again_replaces(store: ArtifactStore) -> None:
    first = store.put(b"one", TASK, "a")
    second = store.put(b"two", TASK, "a")
    assert first.url == second.url
    assert store.get(second.url, hash=second.hash).read_bytes() == b"two"


def test_half_a_file_is_never_seen(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "root"), DownloadCache(tmp_path / "d"))
    stored = store.put(b"one", TASK, "a")
    with pytest.raises(ArtifactError, match="could not be stored"):
        store.put(tmp_path / "missing", TASK, "a", file_name="a")
    folder = tmp_path / "root" / TASK / "a"
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert store.get(stored.url).read_bytes() == b"one"


def test_deleting_one_and_all_of_a_task(store: ArtifactStore) -> None:
    one, two = store.put(b"1", TASK, "one"), store.put(b"2", TASK, "two")
    assert store.delete(one.url) and not store.delete(one.url)
    with pytest.raises(ArtifactError):
        store.get(one.url)
    assert store.get(two.url).read_bytes() == b"2"
    assert store.delete_task(TASK) and not store.delete_task(TASK)


def test_nothing_outside_the_store_is_deleted(store: ArtifactStore, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x")
    for url in (victim.as_uri(), f"{store.url}/../victim", "memory://other/x", store.url):
        with pytest.raises(ArtifactError, match="not in the artifact store"):
            store.delete(url)
    assert victim.exists()


def test_a_file_of_another_host_is_said(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path), DownloadCache(tmp_path / "d"))
    with pytest.raises(ArtifactError, match=r"not on this host.*CLEARQ_ARTIFACTS_URL"):
        store.get("file:///nowhere/at/all.bin")


def test_a_changed_download_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore("memory://changed", DownloadCache(tmp_path / "d"))
    stored = store.put(b"one", TASK, "a")
    fsspec.filesystem("memory").pipe(stored.url.removeprefix("memory:/"), b"other")
    with pytest.raises(ArtifactError, match="is not what was stored"):
        store.get(stored.url, hash=stored.hash)
    assert list((tmp_path / "d").glob("*/*")) == []


def test_downloads_are_kept_and_the_least_used_go(tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path / "d", cap=25)
    store = ArtifactStore("memory://capped", cache)
    stored = [store.put(b"0123456789", TASK, name) for name in "abc"]
    first = store.get(stored[0].url, hash=stored[0].hash)
    fsspec.filesystem("memory").store.pop(f"/capped/{TASK}/a/a")
    assert store.get(stored[0].url, hash=stored[0].hash) == first, "no second download"
    os.utime(first, (1, 1))
    second, third = [store.get(each.url, hash=each.hash) for each in stored[1:]]
    assert (first.exists(), second.exists(), third.exists()) == (False, True, True)


def test_credentials_are_not_written_down(tmp_path: Path) -> None:
    store = ArtifactStore("sftp://ada:s3cret@example.org/x", DownloadCache(tmp_path))
    assert store.url == "sftp://example.org/x"
    assert store.holds("sftp://example.org/x/y") and not store.holds("sftp://example.org/xy")
    assert store._address("sftp://example.org/x/y") == "sftp://ada:s3cret@example.org/x/y"


def test_a_missing_driver_names_the_extra(tmp_path: Path) -> None:
    if importlib.util.find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed")
    store = ArtifactStore("s3://bucket", DownloadCache(tmp_path))
    with pytest.raises(ArtifactError, match=r"clearq\[s3\]"):
        store.put(b"x", TASK, "a")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(str(tmp_path / "root"), DownloadCache(tmp_path))

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearq.artifacts.store._copy", full)
    with pytest.raises(ArtifactError, match="disk is full"):
        store.put(b"x", TASK, "a")


def test_the_settings_name_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARQ_URL", raising=False)
    monkeypatch.delenv("CLEARQ_ARTIFACTS_URL", raising=False)
    assert store_for(Settings(home=tmp_path)).root == str(tmp_path / "artifacts")
    assert store_for(Settings(home=tmp_path, artifacts_url="s3://b/x")).root == "s3://b/x"
    with pytest.raises(ArtifactError, match="CLEARQ_ARTIFACTS_URL"):
        store_for(Settings(home=tmp_path, url="redis://example.org"))


async def test_an_entry_is_fetched_to_a_path(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "root"), DownloadCache(tmp_path / "d"))
    stored = store.put(b"plot", TASK, "a plot")
    info = ArtifactInfo(name="a plot", url=stored.url)
    assert (await fetch(info, tmp_path / "new" / "plot.png")).read_bytes() == b"plot"
    with pytest.raises(ArtifactError, match="not on this host"):
        await fetch(info.model_copy(update={"url": "file:///gone"}), tmp_path / "x")


@pytest.mark.parametrize("whole", [False, True])
def test_what_a_killed_process_left_of_a_payload_goes_with_it(tmp_path: Path, whole: bool) -> None:
    store = ArtifactStore(str(tmp_path / "store"), DownloadCache(tmp_path / "downloads"))
    other = store.put(b"other", TASK, "result.2.abc", file_name="payload")
    place = Path(store.put(b"whole", TASK, "result.1.abc", file_name="payload").url.removeprefix("file://")).parent
    if not whole:
        (place / "payload").unlink()
    (place / f".0123{PARTIAL}").write_bytes(b"hal")
    assert store.remove(TASK, "result.1.abc", "payload")
    assert not place.exists()
    assert not store.remove(TASK, "result.1.abc", "payload")
    assert store.get(other.url).read_bytes() == b"other"


def test_what_is_being_written_is_named_as_what_a_killed_process_leaves(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"), DownloadCache(tmp_path / "downloads"))

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            seen.extend(path.name for path in (tmp_path / "store").rglob("*") if path.is_file())
            return super().read(size)

    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clearq.artifacts.store.io.BytesIO", Source)
        store.put(b"x", TASK, "result.1.abc", file_name="payload")
    assert seen and all(name.startswith(".") and name.endswith(PARTIAL) for name in seen)
