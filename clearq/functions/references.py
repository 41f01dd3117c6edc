"""Results handed on: a handle given as an argument arrives as that task's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearq.errors import PayloadError

if TYPE_CHECKING:
    from clearq.engine.functions import Functions
    from clearq.functions.payloads import Payloads
    from clearq.functions.serialize import Codec


class ResultOf:
    """An argument that is the result of another task. No tuple and no dataclass: orjson would unfold those."""

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id


def referenced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Ids of the tasks whose results are asked for; usually none. Looks at the arguments, not into them."""
    return [value.id for value in (*args, *kwargs.values()) if isinstance(value, ResultOf)]


async def resolve(
    functions: Functions,
    payloads: Payloads,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    codec: Codec | None = None,
    key: bytes = b"",
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with the results put in; with ``codec`` as annotated.

    Raises PayloadError when one is not there (any more); ArtifactError, StorageError when it cannot be read now.
    """
    from clearq.functions.serialize import load_any

    ids = list(dict.fromkeys(referenced(args, kwargs)))
    if not ids:
        return args, kwargs
    results: dict[str, Any] = {}
    for id, state in zip(ids, await functions.states(ids), strict=True):
        if state.status != "completed":
            raise PayloadError(
                f"An argument is the result of task {id}, which is {state.status or 'not known (any more)'}. "
                "Raise its keep_result, or use after_rule='all'."
            )
        results[id] = load_any(await payloads.open(state.result, f"result of task {id}"), key)

    def put(value: Any) -> Any:
        return results[value.id] if isinstance(value, ResultOf) else value

    args, kwargs = tuple(put(value) for value in args), {name: put(value) for name, value in kwargs.items()}
    return codec.typed(args, kwargs) if codec is not None else (args, kwargs)
