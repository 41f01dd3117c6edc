"""The key of a fair queue, as it is declared: ``fair="{tenant}"``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearq.engine.fair import LONGEST_KEY
from clearq.errors import PayloadError, UsageError
from clearq.functions.limits import arguments_of, filled
from clearq.functions.references import ResultOf
from clearq.functions.serialize import Codec


class FairPlan:
    """Which key a call of one function has. Raises UsageError for what does not fit the function."""

    def __init__(self, function: str, template: str, parameters: Sequence[str]) -> None:
        self._function, self._template = function, template
        self._what = f"fair={template!r}"
        if not isinstance(template, str):
            raise UsageError(f"{self._what} of {function}: give a key, such as '{{tenant}}'.")
        self._names = arguments_of(template, f"{self._what} of {function}")
        if unknown := [name for name in self._names if name not in parameters]:
            raise UsageError(
                f"{self._what} of {function}: there is no argument {unknown[0]!r}; "
                f"its arguments are: {', '.join(parameters) or 'none'}."
            )

    def key(self, codec: Codec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The key of a call with these arguments. Raises PayloadError when it cannot be made of them."""
        bound = codec.bind(args, kwargs) if self._names else {}
        for name in self._names:
            if isinstance(bound[name], ResultOf):
                raise PayloadError(
                    f"{self._what} of {self._function}: argument {name!r} is the result of a task that has not ended, "
                    "so its key is not known yet. Pass a value."
                )
        key = filled(self._template, bound, self._what, self._function)
        if len(key) > LONGEST_KEY:
            raise PayloadError(
                f"{self._what} of {self._function}: the key is {len(key)} characters long; {LONGEST_KEY} are the most."
            )
        return key
