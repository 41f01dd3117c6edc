"""The part of ``Task`` that says what the task is: names, tags, code, packages, container."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clearq.errors import SpecError, UsageError
from clearq.models import Container, ExecutorKind, Script, TaskType
from clearq.sdk import code
from clearq.sdk.face import TaskHandle


class Description(TaskHandle):
    """Read and change a task's description."""

    @property
    def name(self) -> str:
        """Free text."""
        return self._spec.name

    @name.setter
    def name(self, name: str) -> None:
        self.set_name(name)

    def set_name(self, name: str) -> None:
        """Rename the task. Raises :class:`~clearq.errors.SpecError` for an empty name."""
        if not name:
            raise SpecError("A task's name cannot be empty.")
        self._patch(fields={"name": name})

    @property
    def project(self) -> str:
        """The project's name (projects are names here: they exist when a task is in them)."""
        return self._spec.project

    def get_project_name(self) -> str:
        """The same as :attr:`project`."""
        return self.project

    def set_project(self, project_id: str | None = None, project_name: str | None = None) -> None:
        """Move the task to another project; id and name are the same here."""
        self._patch(fields={"project": project_name or project_id or ""})

    def move_to_project(
        self, new_project_id: str | None = None, new_project_name: str | None = None, **ignored: Any
    ) -> None:
        """The same as :meth:`set_project`."""
        self.set_project(new_project_id, new_project_name)

    @property
    def comment(self) -> str:
        """Free text for people."""
        return self._spec.comment

    def set_comment(self, comment: str) -> None:
        """Replace the comment."""
        self._patch(fields={"comment": comment})

    @property
    def parent(self) -> str | None:
        """Id of the task this one comes from."""
        return self._spec.parent or None

    def set_parent(self, parent: TaskHandle | str | None) -> None:
        """Say which task this one comes from."""
        self._patch(fields={"parent": parent.id if isinstance(parent, TaskHandle) else parent or ""})

    @property
    def task_type(self) -> str:
        """One of ClearML's types, such as ``training``."""
        return str(self._spec.type)

    def set_task_type(self, task_type: TaskType | str) -> None:
        """Change the type. Raises :class:`~clearq.errors.SpecError` for an unknown one."""
        self._patch(fields={"type": task_type_of(task_type)})

    def get_tags(self) -> list[str]:
        """The task's tags."""
        return list(self._spec.tags)

    @property
    def tags(self) -> list[str]:
        """The same as :meth:`get_tags`."""
        return self.get_tags()

    def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the tags."""
        self._patch(fields={"tags": tags_of(tags)})

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Add tags; those that are there already stay once."""
        self._patch(fields={"tags": tags_of([*self._spec.tags, *tags_of(tags)])})

    @property
    def script(self) -> Script:
        """Code by reference."""
        return self._spec.script

    def get_script(self) -> Mapping[str, Any]:
        """Code by reference, under ClearML's names."""
        script = self._spec.script
        return {
            "working_dir": script.working_dir or ".",
            "entry_point": script.entry_point,
            "branch": script.branch,
            "repository": script.repository,
            "commit": script.commit,
            "diff": script.diff,
            "binary": script.binary,
        }

    def set_script(
        self,
        repository: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        diff: str | None = None,
        working_dir: str | None = None,
        entry_point: str | None = None,
        binary: str | None = None,
    ) -> None:
        """Change what is given; ``""`` empties a field."""
        given = {
            "repository": repository,
            "branch": branch,
            "commit": commit,
            "diff": diff,
            "working_dir": working_dir,
            "entry_point": entry_point,
            "binary": binary,
        }
        self._set_script({name: value for name, value in given.items() if value is not None})

    def set_repo(self, repo: str | None = None, branch: str | None = None, commit: str | None = None) -> None:
        """Name another repository, branch or commit."""
        self.set_script(repository=repo, branch=branch, commit=commit)

    def set_packages(self, packages: str | Path | Sequence[str]) -> None:
        """Requirements as a list of lines, or the path of a requirements file.

        An empty list means: what the repository itself says.
        """
        self._set_script({"requirements": code.requirement_lines(packages)})

    @classmethod
    def add_requirements(cls, package_name: str, package_version: str | None = None) -> None:
        """Record a package whether or not the program imports it. Call it before ``Task.init``."""
        code.add_requirement(package_name, package_version)

    def _set_script(self, script: Mapping[str, Any]) -> None:
        if self._run is not None and self._run.capture is not None:
            self._run.capture.pin(script)
        self._patch(script=script)

    @property
    def container(self) -> Container:
        """Container settings."""
        return self._spec.container

    def get_base_docker(self) -> str:
        """Image and arguments, as one text."""
        container = self._spec.container
        return " ".join(part for part in (container.image, container.arguments) if part)

    def set_base_docker(
        self,
        docker_image: str | None = None,
        docker_arguments: str | Sequence[str] | None = None,
        docker_setup_bash_script: str | Sequence[str] | None = None,
        docker_cmd: str | None = None,
    ) -> None:
        """Run in a container of this image. ``docker_cmd`` (``image arguments...``) is the older form."""
        if docker_cmd:
            docker_image, _, rest = docker_cmd.strip().partition(" ")
            docker_arguments = docker_arguments or rest
        container, kind = container_of(docker_image or "", docker_arguments, docker_setup_bash_script)
        self._patch(container=container, fields={"executor": kind})

    def set_user_properties(
        self, *iterables: Mapping[str, Any] | Iterable[Mapping[str, Any]], **properties: Any
    ) -> bool:
        """Add user properties: keywords, dictionaries, or lists of ``{"name": ..., "value": ...}``."""
        given: dict[str, str | None] = {}
        for iterable in iterables:
            given.update(_properties(iterable))
        given.update(_properties(properties))
        self._patch(properties=given)
        return True

    def get_user_properties(self, value_only: bool = False) -> dict[str, Any]:
        """Name to ``{"name", "value"}``, or only to the value."""
        properties = self._spec.properties
        if value_only:
            return dict(properties)
        return {name: {"name": name, "value": value} for name, value in properties.items()}

    def delete_user_properties(self, *names: str) -> bool:
        """Drop user properties."""
        self._patch(properties=dict.fromkeys(names))
        return True


def task_type_of(kind: TaskType | str | None) -> TaskType:
    """The type by its name. Raises :class:`~clearq.errors.SpecError` that lists them all."""
    try:
        return TaskType(str(kind or TaskType.TRAINING))
    except ValueError as error:
        raise SpecError(f"There is no task type {str(kind)!r}; there are: {', '.join(TaskType)}.") from error


def tags_of(tags: Sequence[str] | str | None) -> tuple[str, ...]:
    """Tags without repeats; one text is one tag."""
    return tuple(dict.fromkeys([tags] if isinstance(tags, str) else tags or ()))


def container_of(
    image: str, arguments: str | Sequence[str] | None, setup: str | Sequence[str] | None
) -> tuple[dict[str, str], ExecutorKind]:
    """Fields of the container, and the executor that goes with them."""
    fields = {
        "image": image,
        "arguments": arguments if isinstance(arguments, str) else shlex.join(arguments or ()),
        "setup_script": setup if isinstance(setup, str) else "\n".join(setup or ()),
    }
    return fields, ExecutorKind.DOCKER if image else ExecutorKind.VENV


def _properties(given: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    if not isinstance(given, Mapping):
        return {str(entry["name"]): str(entry.get("value", "")) for entry in given}
    values: dict[str, str | None] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            if "value" not in value:
                raise UsageError(f"user property {name!r} has no 'value'")
            value = value["value"]
        values[str(name)] = str(value)
    return values
