"""``Task``: ClearML's face of a task. Each part of it is a file of its own; this one begins and makes tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from clearq.errors import SpecError, UsageError
from clearq.models import TaskType
from clearq.sdk import argparse_hook
from clearq.sdk.artifacts import ArtifactsOf
from clearq.sdk.code import main_script
from clearq.sdk.connection import connection
from clearq.sdk.create import CreateOptions, describe, pairs
from clearq.sdk.current import set_current
from clearq.sdk.description import tags_of, task_type_of
from clearq.sdk.hyperparameters import HyperParameters
from clearq.sdk.init import DEFAULT_NAME, DEFAULT_PROJECT, InitOptions, begin
from clearq.sdk.lifecycle import Lifecycle
from clearq.sdk.lookup import by_id
from clearq.sdk.queued import Queued
from clearq.sdk.results import Results
from clearq.sdk.task_types import TaskTypes

argparse_hook.install()


class Task(Queued, HyperParameters, Lifecycle, Results, ArtifactsOf):
    """A task: an experiment, a step, a service; anything that runs and is recorded.

    ``Task.init`` begins the task of this very program; ``Task.create``, ``clone`` and ``get_task`` give handles
    on others. Names and defaults are ClearML's.
    """

    TaskTypes: ClassVar[type[TaskTypes]] = TaskTypes

    @classmethod
    def init(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: TaskType | str = TaskType.TRAINING,
        tags: Sequence[str] | None = None,
        reuse_last_task_id: bool | str = True,
        continue_last_task: bool | str | int = False,
        output_uri: str | bool | None = None,
        auto_connect_arg_parser: bool | Mapping[str, bool] = True,
        auto_connect_frameworks: bool | Mapping[str, Any] = True,
        auto_resource_monitoring: bool | Mapping[str, Any] = True,
        auto_connect_streams: bool | Mapping[str, bool] = True,
        deferred_init: bool = False,
    ) -> Self:
        """Begin (or join) the task of this program. Never waits for the network.

        By hand: a new task, or with ``reuse_last_task_id`` the one that the last run of this script made under
        the same project and name, if that was less than 72 hours ago on this machine, has ended, kept no
        artifacts and was not sent to a queue; its outputs are forgotten. Which one that was, a small file under
        ``settings.home`` says, so that no network read is needed. Code, packages, command line and console are
        recorded in the background. Under an agent: the task that the agent runs, read from the attempt's file.

        Frameworks and machine metrics are not recorded yet; ``continue_last_task`` is not supported yet
        (:class:`~clearq.errors.UsageError`). A second call gives the same task; with another name it raises.
        """
        present = cls.current_task()
        if present is not None:
            _same_task(present, project_name, task_name)
            return present
        if continue_last_task not in (False, None):
            raise UsageError(
                "continue_last_task is not supported yet: begin a new task and pass reuse_last_task_id=False."
            )
        options = InitOptions(
            project=project_name or DEFAULT_PROJECT,
            name=task_name or _script_name(),
            type=task_type_of(task_type),
            tags=tags_of(tags),
            reuse=reuse_last_task_id,
            output_uri=output_uri if isinstance(output_uri, str) else "",
            arg_parser=auto_connect_arg_parser,
            streams=_wants_streams(auto_connect_streams),
        )
        task = cls(run=begin(options))
        set_current(task)
        return task

    def close(self) -> None:
        """End the run of this process: sends what waits (at most about 10 s); by hand it is completed."""
        if self._run is not None:
            self._run.finish()
        argparse_hook.listen(None)
        set_current(None)

    @classmethod
    def create(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: TaskType | str | None = None,
        repo: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        script: str | None = None,
        working_directory: str | None = None,
        packages: Sequence[str] | bool | None = None,
        requirements_file: str | Path | None = None,
        docker: str | None = None,
        docker_args: str | Sequence[str] | None = None,
        docker_bash_setup_script: str | Sequence[str] | None = None,
        argparse_args: Sequence[Any] | Mapping[str, Any] | None = None,
        base_task_id: str | None = None,
        add_task_init_call: bool = True,
        force_single_script_file: bool = False,
        binary: str | None = None,
        module: str | None = None,
        detect_repository: bool = True,
    ) -> Self:
        """A draft from a repository, a local script or module, or another task; nothing runs.

        ``add_task_init_call`` has no meaning here: the agent watches over programs that never call
        ``Task.init`` as well. Raises :class:`~clearq.errors.UsageError`, SpecError, StorageUnavailable.
        """
        base = by_id(base_task_id) if base_task_id else None
        options = CreateOptions(
            project=project_name or (base.spec.project if base else DEFAULT_PROJECT),
            name=task_name or (base.spec.name if base else Path(script or module or DEFAULT_NAME).stem),
            type=task_type_of(task_type or (base.spec.type if base else None)),
            repo=repo,
            branch=branch,
            commit=commit,
            script=script,
            working_directory=working_directory,
            module=module,
            packages=packages,
            requirements_file=requirements_file,
            docker=docker,
            docker_args=docker_args,
            docker_bash_setup_script=docker_bash_setup_script,
            arguments=pairs(argparse_args),
            binary=binary,
            detect_repository=detect_repository,
            single_file=force_single_script_file,
            base=base.spec if base else None,
        )
        spec = describe(options)
        return cls(task=connection().call(lambda engine: engine.tasks.create(spec)))

    def delete(
        self,
        delete_artifacts_and_models: bool = True,
        skip_models_used_by_other_tasks: bool = True,
        raise_on_error: bool = False,
        callback: Any = None,
    ) -> bool:
        """Delete the task, its logs and metrics, and its artifacts' files. A live run cannot be deleted."""
        if self._run is not None:
            raise UsageError("This task runs in this very program: close() it before delete().")
        if delete_artifacts_and_models:
            self._delete_artifact_files(raise_on_error)
        task_id = self.id
        return self._try(
            not raise_on_error, lambda: self._call(lambda engine: engine.tasks.delete(task_id, force=True))
        )

    def __repr__(self) -> str:
        return f"Task(id={self.id!r})"


def _same_task(present: Task, project: str | None, name: str | None) -> None:
    run = present.live_run
    if run is None or run.mode != "manual":
        return
    for what, asked, had in (("project", project, run.spec.project), ("name", name, run.spec.name)):
        if asked and asked != had:
            raise UsageError(
                f"This program's task has the {what} {had!r}, and Task.init() asks for {asked!r}:"
                " close() it first, or use Task.create() for another task."
            )


def _script_name() -> str:
    script = main_script()
    if script is None:
        return "interactive"
    name = script.removeprefix("-m ") if script.startswith("-m ") else Path(script).stem
    if not name:
        raise SpecError("A task needs a name: Task.init(task_name=...).")
    return name


def _wants_streams(wanted: bool | Mapping[str, bool]) -> bool:
    return any(wanted.values()) if isinstance(wanted, Mapping) else bool(wanted)
