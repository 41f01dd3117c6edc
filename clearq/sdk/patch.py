"""A change to a task's spec that can be merged with the next one: what waits for the server stays small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearq.models import Parameter, TaskSpec

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class SpecPatch:
    """Fields to set, and entries to set or drop in the spec's dictionaries. It may be applied twice."""

    fields: Mapping[str, Any] = field(default_factory=dict)  #: whole fields of the spec
    script: Mapping[str, Any] = field(default_factory=dict)  #: fields of ``spec.script``
    container: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()  #: names of parameters to drop
    only: bool = False  #: ``parameters`` replaces all that were there
    properties: Mapping[str, str | None] = field(default_factory=dict)  #: ``None`` drops
    configurations: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != SpecPatch()

    def then(self, later: SpecPatch) -> SpecPatch:
        """Both as one: ``later`` wins where they meet."""
        if later.only:
            parameters, dropped = dict(later.parameters), frozenset[str]()
        else:
            kept = {name: value for name, value in self.parameters.items() if name not in later.dropped}
            parameters = {**kept, **later.parameters}
            dropped = (self.dropped | later.dropped) - later.parameters.keys()
        return SpecPatch(
            fields={**self.fields, **later.fields},
            script={**self.script, **later.script},
            container={**self.container, **later.container},
            parameters=parameters,
            dropped=dropped,
            only=self.only or later.only,
            properties={**self.properties, **later.properties},
            configurations={**self.configurations, **later.configurations},
        )

    def apply(self, spec: TaskSpec) -> TaskSpec:
        """``spec`` with this change."""
        update: dict[str, Any] = dict(self.fields)
        if self.script:
            update["script"] = spec.script.model_copy(update=dict(self.script))
        if self.container:
            update["container"] = spec.container.model_copy(update=dict(self.container))
        if self.parameters or self.dropped or self.only:
            update["parameters"] = self._parameters(spec.parameters)
        if self.properties:
            merged = {**spec.properties, **self.properties}
            update["properties"] = {name: value for name, value in merged.items() if value is not None}
        if self.configurations:
            update["configurations"] = {**spec.configurations, **self.configurations}
        return spec.model_copy(update=update)

    def _parameters(self, present: Mapping[str, Parameter]) -> dict[str, Parameter]:
        kept = _NOTHING if self.only else present
        return {
            **{name: value for name, value in kept.items() if name not in self.dropped},
            **self.parameters,
        }
