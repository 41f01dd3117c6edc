"""What travels comes back as it was, or as the annotations say; what cannot is refused with a reason."""

from __future__ import annotations

import enum
import math
import pickle
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearq.errors import PayloadError
from clearq.functions.handle import Progress
from clearq.functions.inject import inject
from clearq.functions.references import ResultOf
from clearq.functions.serialize import Codec, load_any
from clearq.functions.tagged import dump, load


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="n")
    raw: bytes = b""
    when: datetime | None = None


@dataclass
class Size:
    width: int
    raw: bytes = b""
    parts: list[Size] = field(default_factory=list)
    ratio: float = 1.0


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.frozensets(st.integers()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(plain)
def test_untyped_values_come_back(value: Any) -> None:
    back = load(dump(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        -math.inf,
        2**80,
        Path("/a"),
        1 + 2j,
        {1, 2},
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        date(2026, 1, 2),
        time(1, 2),
        timedelta(days=-1, microseconds=3),
        Decimal("1.10"),
        [None, math.inf, {"a": [2**70]}],
        bytearray(b"\xff"),
    ],
)
def test_special_values_come_back(value: Any) -> None:
    assert load(dump(value)) == value


def test_nan_is_not_lost() -> None:
    assert math.isnan(load(dump({"loss": math.nan}))["loss"])
    assert load(dump([None])) == [None]


async def typed(
    size: Size,
    model: Model,
    colour: Colour = Colour.RED,
    ids: tuple[uuid.UUID, ...] = (),
    *rest: float,
    table: dict[int, Size] | None = None,
    **others: set[int],
) -> list[Size]:
    return []


def test_annotations_decide() -> None:
    codec = Codec("typed", typed)
    args = (
        Size(1, b"\xff", [Size(2)], math.nan),
        Model(n="a", raw=b"\xfe", when=datetime(2026, 1, 1, tzinfo=UTC)),
        Colour.RED,
        (uuid.UUID(int=7),),
        1.5,
        2,
    )
    kwargs: dict[str, Any] = {"table": {3: Size(4)}, "more": {1, 2}}
    back, named = codec.decode(codec.encode(args, kwargs))
    assert math.isnan(back[0].ratio)
    assert (back[0].raw, back[0].parts) == (b"\xff", [Size(2)])
    assert back[1:] == args[1:]
    assert named == kwargs
    assert codec.decode_result(codec.encode_result([Size(5)])) == [Size(5)]


def test_a_lean_call_is_two_bytes() -> None:
    async def nothing() -> None: ...

    codec = Codec("nothing", nothing)
    assert codec.encode((), {}) == b"[]"
    assert codec.decode(b"[]") == ((), {})
    assert codec.encode_result(None) == b"null"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "cannot be decoded"),
        (b"", "cannot be decoded"),
        (b"3", "not a list of arguments"),
        (b'{"a": 1}', "not a list of arguments"),
        (b'[{"$clearq":["bomb",1]}]', "cannot be decoded"),
        (b'[{"$clearq":["datetime","soon"]}]', "cannot be decoded"),
        (b"[]", "missing a required argument: 'count'"),
        (b"[1,2,3]", "too many positional"),
        (b'{"a":[],"k":{"cuont":1}}', "missing a required argument|unexpected keyword"),
        (b'["many"]', "argument 'count' of f is not int"),
        (b'[1,{"width":"x"}]', r"argument 'size' of f is not .*Size.* at \['width'\]"),
        (b"\x00p1" + pickle.dumps((1,)), "not declared with serializer='pickle'"),
    ],
)
def test_bad_payloads_are_readable(data: bytes, message: str) -> None:
    def f(count: int, size: Size | None = None) -> None: ...

    f.__annotations__ = {"count": int, "size": Size}
    with pytest.raises(PayloadError, match=message):
        Codec("f", f).decode(data)


def test_a_float_of_a_kind_of_its_own_travels_as_a_float() -> None:
    assert dump([Progress(0.25, "epoch 1")]) == b"[0.25]"


def test_what_cannot_travel_names_its_type() -> None:
    def f(value: Any) -> Any: ...

    for value in (object(), [{"a": object()}], {object(): 1}):
        with pytest.raises(PayloadError, match=r"object.*serializer='pickle'"):
            Codec("f", f).encode((value,), {})
    with pytest.raises(PayloadError, match="result of f"):
        Codec("f", f).encode_result(object())
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(PayloadError):
        Codec("f", f).encode((deep,), {})


def test_an_annotation_that_only_checkers_know_is_left_alone() -> None:
    def f(a: Unknown, b: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert Codec("f", f).decode(b'["x","3"]') == (("x", 3), {})


def test_injected_parameters_may_be_left_out() -> None:
    def f(a: int, pool: list[int] = inject()) -> None: ...  # noqa: B008

    codec = Codec("f", f)
    assert codec.decode(codec.encode((1,), {})) == ((1,), {})


def test_a_reference_is_not_checked() -> None:
    def f(a: int) -> None: ...

    codec = Codec("f", f)
    ((found,), _) = codec.decode(codec.encode((ResultOf("x"),), {}))
    assert (type(found), found.id) == (ResultOf, "x")


class TestPickle:
    @staticmethod
    def f(value: Any) -> Any: ...

    def codec(self) -> Codec:
        return Codec("f", self.f, "pickle")

    def test_round_trip(self) -> None:
        data = self.codec().encode((1j,), {}, b"k")
        assert self.codec().decode(data, b"k") == ((1j,), {})
        assert load_any(self.codec().encode_result({1: 2}, b"k"), b"k") == {1: 2}

    def test_no_key_no_pickle(self) -> None:
        with pytest.raises(PayloadError, match="CLEARQ_SIGNING_KEY"):
            self.codec().encode((1,), {})

    def test_changed_or_foreign_payloads_are_not_opened(self) -> None:
        data = self.codec().encode((1,), {}, b"k")
        for bad in (data[:-1] + b"x", data[:3] + bytes(32) + data[35:], data[:10]):
            with pytest.raises(PayloadError, match="not unpickled"):
                self.codec().decode(bad, b"k")
        with pytest.raises(PayloadError, match="another key"):
            self.codec().decode(data, b"other")
        with pytest.raises(PayloadError, match="another key"):
            Codec("g", self.f, "pickle").decode(data, b"k")
        with pytest.raises(PayloadError, match="another key"):
            load_any(data, b"k")

    def test_what_cannot_be_pickled(self) -> None:
        with pytest.raises(PayloadError, match="cannot be pickled"):
            self.codec().encode((lambda: None,), {}, b"k")


def test_numpy_values() -> None:
    np = pytest.importorskip("numpy")

    def f(weight: Any, table: Any, plain: Any = None) -> Any: ...

    f.__annotations__ = {"weight": np.float32, "table": np.ndarray, "return": np.int64}
    codec = Codec("f", f)
    sent = (np.float32(1.5), np.array([[1, 2], [3, 4]]), np.float64("nan"))
    (weight, table, plain), _ = codec.decode(codec.encode(sent, {}))
    assert (type(weight), weight) == (np.float32, 1.5)
    assert (table == sent[1]).all()
    assert math.isnan(plain)
    assert type(codec.decode_result(codec.encode_result(np.int64(7)))) is np.int64
    assert load(dump({"bools": np.array([True]), "objects": np.array(["a", None], dtype=object)})) == {
        "bools": [True],
        "objects": ["a", None],
    }
    with pytest.raises(PayloadError, match="not float32"):
        codec.decode(b'["x",[1]]')
