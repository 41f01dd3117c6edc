"""Tasks as Redis hashes and back. Fields are readable and only what differs from a default is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError

from clearq.clock import seconds
from clearq.errors import StorageError
from clearq.models.status import Stage, Status
from clearq.models.task import Container, Function, Limits, Needs, Parameter, Script, Task, TaskSpec

#: The parts of a spec that are stored as ``part.field``.
_PARTS: dict[str, type[Script | Function | Container | Needs | Limits]] = {
    "script": Script,
    "function": Function,
    "container": Container,
    "needs": Needs,
    "limits": Limits,
}
_PLAIN = ("name", "project", "type", "executor", "comment", "parent")
_PREFIXES = ("param:", "param.type:", "param.text:", "prop:", "conf:")
_ALWAYS = frozenset({"name", "type", "executor"})


def to_text(value: Any) -> str:
    """A value as Redis keeps it: text as it is, lists and objects as JSON."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return orjson.dumps(value).decode()


def from_text(text: str, kind: Any) -> Any:
    """The reverse for a field of the given default or sample value."""
    if isinstance(kind, tuple | dict):
        return orjson.loads(text)
    return text


def encode_spec(spec: TaskSpec) -> dict[str, str]:
    """The hash fields of a description."""
    fields: dict[str, str] = {}
    for name in _PLAIN:
        value = str(getattr(spec, name))
        if value or name in _ALWAYS:
            fields[name] = value
    if spec.tags:
        fields["tags"] = to_text(list(spec.tags))
    for part, model in _PARTS.items():
        for name, field in model.model_fields.items():
            value = getattr(getattr(spec, part), name)
            default = field.get_default(call_default_factory=True)
            if value != default and value is not None:
                fields[f"{part}.{name}"] = to_text(list(value) if isinstance(value, tuple) else value)
    for name, parameter in spec.parameters.items():
        fields[f"param:{name}"] = parameter.value
        if parameter.type != "str":
            fields[f"param.type:{name}"] = parameter.type
        if parameter.description:
            fields[f"param.text:{name}"] = parameter.description
    fields |= {f"prop:{name}": value for name, value in spec.properties.items()}
    fields |= {f"conf:{name}": value for name, value in spec.configurations.items()}
    return fields


def is_spec_field(name: str) -> bool:
    """Does a hash field belong to the description (and not to the state)?"""
    part, dot, _ = name.partition(".")
    return name in _PLAIN or name == "tags" or (bool(dot) and part in _PARTS) or name.startswith(_PREFIXES)


def decode_spec(fields: Mapping[str, str]) -> TaskSpec:
    """A description from hash fields."""
    spec: dict[str, Any] = {name: fields[name] for name in _PLAIN if name in fields}
    if "tags" in fields:
        spec["tags"] = orjson.loads(fields["tags"])
    for part, model in _PARTS.items():
        values = {
            name: from_text(fields[f"{part}.{name}"], field.get_default(call_default_factory=True))
            for name, field in model.model_fields.items()
            if f"{part}.{name}" in fields
        }
        if values:
            spec[part] = values
    spec["parameters"] = _parameters(fields)
    for target, prefix in (("properties", "prop:"), ("configurations", "conf:")):
        spec[target] = {name.removeprefix(prefix): value for name, value in fields.items() if name.startswith(prefix)}
    if "fn" in fields and "name" not in fields:  # lean: a function's name says it all
        spec |= {"name": fields["fn"], "type": "custom", "executor": "function"}
    spec.setdefault("name", "?")
    return TaskSpec.model_validate(spec)


def _parameters(fields: Mapping[str, str]) -> dict[str, Parameter]:
    names = [name.removeprefix("param:") for name in fields if name.startswith("param:")]
    return {
        name: Parameter(
            value=fields[f"param:{name}"],
            type=fields.get(f"param.type:{name}", "str"),
            description=fields.get(f"param.text:{name}", ""),
        )
        for name in names
    }


def decode_task(task_id: str, fields: Mapping[str, str]) -> Task:
    """A task from its hash."""

    def at(name: str) -> float | None:
        return seconds(fields[name]) if fields.get(name) else None

    def number(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    try:
        return Task(
            id=task_id,
            spec=decode_spec(fields),
            status=Status(fields.get("status", "queued")),
            stage=Stage(fields["stage"]) if "stage" in fields else None,
            status_reason="" if _outdated(fields) else fields.get("status_reason", ""),
            status_message="" if _outdated(fields) else fields.get("status_message", ""),
            queue=fields.get("queue", ""),
            priority=number("priority") or 0,
            rev=number("rev") or 0,
            created=at("created"),
            updated=at("updated"),
            status_changed=at("status_changed"),
            enqueued=at("enqueued"),
            due=at("due"),
            limits=tuple(fields.get("limits", "").split()),
            held_on=fields.get("held", ""),
            after=tuple(fields.get("after", "").split()),
            waits=number("waits") or 0,
            started=at("started"),
            ended=at("ended"),
            claims=number("claims") or int(fields.get("fence", "0").partition(".")[0] or 0),
            failures=number("failures") or 0,
            losses=number("losses") or 0,
            releases=number("releases") or 0,
            worker=fields.get("worker", ""),
            fence=fields.get("fence", ""),
            host_id=fields.get("host_id", ""),
            boot_id=fields.get("boot_id", ""),
            gpus=tuple(fields.get("gpus_held", "").split()),
            exit_code=number("exit_code"),
            last_iteration=number("last_iteration"),
            progress=number("progress"),
            progress_text=fields.get("progress.text", ""),
            archived="archived" in fields,
            manual="manual" in fields,
            log_url=fields.get("log.url", ""),
        )
    except (ValidationError, ValueError) as error:
        raise StorageError(f"Task {task_id} is stored in a way that cannot be read: {error}") from error


def _outdated(fields: Mapping[str, str]) -> bool:
    """Is the reason of an earlier attempt? A lean function is claimed and completed without a look at what it holds."""
    status = fields.get("status")
    return "fn" in fields and (status == "completed" or (status == "in_progress" and "stop" not in fields))


def dict_to_flat(fields: Mapping[str, str]) -> list[str]:
    """A hash as scripts take it."""
    return [text for pair in fields.items() for text in pair]


def flat_to_dict(flat: list[str]) -> dict[str, str]:
    """A flat list of names and values, as scripts answer hashes."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
