"""The part of ``Task`` for artifacts: files and objects that a task leaves behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearq.artifacts import ArtifactStore, has_store, store_for
from clearq.artifacts.cache import DownloadCache
from clearq.errors import ArtifactError
from clearq.models import ArtifactInfo
from clearq.sdk.artifact import Artifact, chunks, store_of
from clearq.sdk.chunks import ChunkStore
from clearq.sdk.connection import connection
from clearq.sdk.face import TaskHandle
from clearq.sdk.serialize import Packed, pack
from clearq.sdk.uploads import Uploads

if TYPE_CHECKING:
    from clearq.engine import Engine
    from clearq.sdk.channels import Lease

#: Addresses that are recorded as they are instead of being stored.
_REMOTE = ("s3://", "gs://", "gcs://", "azure://", "http://", "https://", "hf://")
#: Seconds that a look at the artifacts waits for those still being stored.
SETTLE_UPLOADS = 60.0


@dataclass(frozen=True)
class _Plan:
    """One artifact to be stored."""

    name: str
    packed: Packed
    store: ArtifactStore | ChunkStore
    metadata: Mapping[str, str]
    preview: str
    delete_after: bool


class ArtifactsOf(TaskHandle):
    """Upload, list, read back."""

    def upload_artifact(
        self,
        name: str,
        artifact_object: Any,
        metadata: Mapping[str, Any] | None = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        preview: Any = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes] | None = None,
        retries: int = 0,
        sort_keys: bool = True,
    ) -> bool:
        """Store an object or file under ``name``; the object is written at once, the copy goes on by itself.

        Dictionaries and lists become JSON where that keeps them whole, texts, arrays, data frames and pictures
        their own formats, existing paths the file (a folder: a zip of it), addresses such as ``s3://...`` are
        only noted; all else is pickled. ``wait_on_upload`` returns when it is stored and raises what went wrong
        (:class:`~clearq.errors.ArtifactError`), else a failure is a warning.
        """
        notes = {str(key): str(value) for key, value in (metadata or {}).items()}
        if isinstance(artifact_object, str) and artifact_object.startswith(_REMOTE):
            self._put(ArtifactInfo(name=name, url=artifact_object, type="url", metadata=notes, at=time.time()))
            return True
        folder = Path(tempfile.mkdtemp(prefix="clearq-"))
        try:
            packed = pack(
                name,
                artifact_object,
                folder,
                serialize=serialization_function,
                extension=extension_name,
                pickled=auto_pickle is not False,
                sort_keys=sort_keys,
            )
            plan = _Plan(
                name=name,
                packed=packed,
                store=self._store(),
                metadata=notes,
                preview=packed.preview if preview is None else str(preview),
                delete_after=delete_after_upload,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._upload(plan, folder, wait_on_upload, retries)

    def _upload(self, plan: _Plan, folder: Path, wait: bool, retries: int) -> bool:
        def upload() -> None:
            try:
                self._put(self._stored(plan, retries))
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        run = self._run
        if run is not None:
            run.keep_session()
        if run is None or wait:
            upload()
            self.settle()
            return True
        if run.uploads is None:
            run.uploads = Uploads()
        run.uploads.add(upload)
        return True

    def _stored(self, plan: _Plan, retries: int) -> ArtifactInfo:
        path = plan.packed.path
        for left in range(retries, -1, -1):
            try:
                stored = plan.store.put(path, self.id, plan.name)
                break
            except ArtifactError:
                if not left:
                    raise
        if plan.delete_after and not plan.packed.temporary:
            path.unlink(missing_ok=True)
        return ArtifactInfo(
            name=plan.name,
            url=stored.url,
            type=plan.packed.type,
            size=stored.size,
            hash=stored.hash,
            preview=plan.preview,
            metadata=dict(plan.metadata),
            at=time.time(),
        )

    def _put(self, info: ArtifactInfo) -> None:
        run, task_id = self._run, self.id
        if run is None:
            self._call(lambda engine: engine.artifacts.put(task_id, info))
            return

        async def put(engine: Engine, lease: Lease) -> None:
            await engine.artifacts.put(lease.task_id, info, fence=lease.fence)

        run.outbox.deeds.add(put)
        run.outbox.wake()

    def _store(self) -> ArtifactStore | ChunkStore:
        settings = connection().settings
        if self._run is not None and self._run.output_uri:
            return ArtifactStore(self._run.output_uri, DownloadCache(settings.home / "downloads"))
        return store_for(settings) if has_store(settings) else chunks()

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """Name to artifact, those that this program still uploads included."""
        if self._run is not None and self._run.uploads is not None:
            self._run.uploads.wait(SETTLE_UPLOADS)
        self.settle()
        task_id = self.id
        entries = self._call(lambda engine: engine.artifacts.list(task_id))
        return {name: Artifact(info) for name, info in entries.items()}

    def delete_artifacts(
        self,
        artifact_names: list[str],
        raise_on_errors: bool = True,
        delete_from_storage: bool = True,
        silent_on_errors: bool = False,
    ) -> bool:
        """Forget artifacts, and remove their files where they lie in our store."""
        present, task_id = self.artifacts, self.id
        for name in artifact_names:
            if name not in present:
                if raise_on_errors:
                    raise ArtifactError(f"Task {task_id} has no artifact {name!r}.")
                continue
            if delete_from_storage:
                self._delete_file(present[name], raise_on_errors)
            self._call(lambda engine, name=name: engine.artifacts.remove(task_id, name))  # type: ignore[misc]
        return True

    def _delete_artifact_files(self, raise_on_error: bool) -> None:
        for artifact in self.artifacts.values():
            self._delete_file(artifact, raise_on_error)

    @staticmethod
    def _delete_file(artifact: Artifact, raise_on_error: bool) -> None:
        try:
            store = store_of(artifact.url)
            if store.holds(artifact.url):
                store.delete(artifact.url)
        except ArtifactError:
            if raise_on_error:
                raise
