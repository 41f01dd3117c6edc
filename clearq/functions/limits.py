"""Limits by key, as they are declared: ``limit(key="customer:{id}", concurrent=2)``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from clearq.engine.limits import limit_key
from clearq.errors import PayloadError, UsageError
from clearq.functions.references import ResultOf
from clearq.models.limit import RATE, Size


@dataclass(frozen=True, slots=True)
class Limit:
    """Made by :func:`limit`."""

    name: str
    value: str  #: of the key, with ``{argument}`` in it
    concurrent: Size | None
    rate: Size | None

    @property
    def sizes(self) -> dict[str, Size]:
        """Size by the name that the queue knows it by."""
        given = {self.name: self.concurrent, self.name + RATE: self.rate}
        return {name: size for name, size in given.items() if size is not None}


def limit(key: str, *, concurrent: int | None = None, rate: str | None = None) -> Limit:
    """A bound on the tasks of one queue that have the same key, for ``limits=`` of a function.

    ``key`` is the limit's name, or ``name:value`` with arguments of the function in the value
    (``"customer:{id}"``, ``"host:{job.host}"``): each value has permits of its own. ``concurrent`` bounds how many run
    at once; ``rate`` how many begin: ``10/s``, ``100/m``, ``1000/h``, ``5/d``, ``5/10s``. Both may be given.
    Raises UsageError.
    """
    name, _, value = str(key).partition(":")
    if "{" in name or "}" in name:
        raise UsageError(f"limit({key!r}): begin with the limit's name, then the value: 'customer:{{id}}'.")
    if name.endswith(RATE):
        raise UsageError(f"limit({key!r}): names that end in {RATE!r} are those of rates; take another.")
    limit_key(name)
    limit_key(name + RATE)  # its length
    if concurrent is None and rate is None:
        raise UsageError(f"limit({key!r}) needs concurrent=, rate= or both: limit({key!r}, concurrent=2).")
    return Limit(
        name, value, None if concurrent is None else Size(concurrent), None if rate is None else Size.rate(rate)
    )


class LimitPlan:
    """The limits of one function: which keys a call has. Raises UsageError for what does not fit the function."""

    def __init__(self, function: str, limits: Limit | Sequence[Limit] | None, parameters: Sequence[str]) -> None:
        self._function = function
        listed = [limits] if isinstance(limits, (Limit, str)) else list(limits or ())
        for each in listed:
            if not isinstance(each, Limit):
                raise UsageError(f"limits= of {function} takes limit(...) or a list of them, not {each!r}.")
        self.sizes: dict[str, Size] = {}
        for name, size in [pair for each in listed for pair in each.sizes.items()]:
            if self.sizes.setdefault(name, size) != size:
                raise two_sizes(name, size, function, self.sizes[name], function)
        #: As it travels with a call.
        self.declared = " ".join(f"{name}={size.text}" for name, size in self.sizes.items())
        needed = [arguments_of(each.value, f"limit '{each.name}:{each.value}' of {function}") for each in listed]
        for each, names in zip(listed, needed, strict=True):
            if unknown := [name for name in names if name not in parameters]:
                raise UsageError(
                    f"limit '{each.name}:{each.value}' of {function}: there is no argument {unknown[0]!r}; "
                    f"its arguments are: {', '.join(parameters) or 'none'}."
                )
        self._varied = [(each, names) for each, names in zip(listed, needed, strict=True) if names]
        #: The keys that every call has.
        self.constant = " ".join(
            limit_key(name, each.value.format())
            for each in listed
            if not arguments_of(each.value)
            for name in each.sizes
        )
        self.varies = bool(self._varied)

    def keys(self, bound: Mapping[str, Any]) -> str:
        """All keys of a call with these arguments. Raises PayloadError when one cannot be made of them."""
        keys = [self.constant] if self.constant else []
        for each, names in self._varied:
            for name in names:
                if isinstance(bound[name], ResultOf):
                    raise PayloadError(
                        f"limit '{each.name}:{each.value}' of {self._function}: argument {name!r} is the result of a "
                        "task that has not ended, so its key is not known yet. Pass a value."
                    )
            value = filled(each.value, bound, f"limit '{each.name}:{each.value}'", self._function)
            keys += [limit_key(name, value) for name in each.sizes]
        return " ".join(keys)


def arguments_of(template: str, where: str = "") -> list[str]:
    """The arguments that ``{...}`` of a template stand for. Raises UsageError for one that cannot be filled."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise UsageError(f"{where}: {error}.") from None
    names = [re.split(r"[.\[]", field)[0] for field in fields]
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"{where}: write an argument's name into the braces, not {name!r}: '{{id}}'.")
    return list(dict.fromkeys(names))


def filled(template: str, bound: Mapping[str, Any], what: str, function: str) -> str:
    """The template with a call's arguments. Raises PayloadError."""
    try:
        return template.format(**bound)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise PayloadError(f"{what} does not fit {function}: {error!r} is no argument of it.") from error


def two_sizes(name: str, size: Size, by: str, other: Size, other_by: str) -> UsageError:
    """One limit cannot have two sizes."""
    return UsageError(
        f"Limit {name.removesuffix(RATE)!r} has two sizes in one queue: {other} ({other_by}) and {size} ({by}). "
        "Give one of them another name, or the same size to both."
    )
