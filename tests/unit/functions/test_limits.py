"""How limits by key are declared, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from clearq import Clearq, inject, limit
from clearq.errors import PayloadError, UsageError
from clearq.functions.limits import Limit
from clearq.functions.references import ResultOf
from clearq.models.limit import Size


@dataclass
class Order:
    customer: int
    parts: dict[str, str]


def fields(task: Any, *args: Any, **kwargs: Any) -> dict[str, str]:
    return dict(task.call(*args, **kwargs).call.extra)


def test_a_call_brings_its_keys_and_what_they_are_limited_to() -> None:
    app = Clearq()

    @app.task(
        limits=[
            limit("customer:{order.customer}/{order.parts[a]}", concurrent=2, rate="5/10s"),
            limit("api", rate="100/m"),
        ]
    )
    async def ship(order: Order, place: str = "here") -> None: ...

    extra = fields(ship, Order(7, {"a": "x y"}))
    assert extra["limits"] == "api.rate customer:7%2Fx%20y customer.rate:7%2Fx%20y"
    assert list(extra)[-1] == "sizes", "the script takes it off the end"
    assert extra["sizes"] == "customer=2 customer.rate=5/10000 api.rate=100/60000"
    assert app.registry.limits == [
        ("default", "customer", "2"),
        ("default", "customer.rate", "5/10000"),
        ("default", "api.rate", "100/60000"),
    ]


def test_defaults_fill_keys_and_injected_arguments_do_not() -> None:
    app = Clearq()

    @app.task(limits=limit("host:{host}", concurrent=1))
    def fetch(url: str, host: str = "a.example", session: Any = inject()) -> None: ...  # noqa: B008

    assert fields(fetch, "/")["limits"] == "host:a.example"
    assert fields(fetch, "/", host="b")["limits"] == "host:b"
    with pytest.raises(UsageError, match="no argument 'session'; its arguments are: url, host"):
        fetch.options(limits=limit("s:{session}", concurrent=1))


def test_options_change_the_limits_of_a_call() -> None:
    app = Clearq()

    @app.task(limits=limit("api", concurrent=3))
    async def ask(question: str) -> None: ...

    assert fields(ask, "why")["limits"] == "api"
    assert "limits" not in fields(ask.options(limits=None), "why")
    assert fields(ask.options(limits=limit("question:{question}", concurrent=1)), "why")["limits"] == "question:why"
    ask.options(queue="slow")
    assert ("slow", "api", "3") in app.registry.limits


def test_a_cron_rule_has_the_keys_and_leaves_the_sizes_to_the_worker() -> None:
    app = Clearq()

    @app.cron("* * * * *")
    @app.task(limits=limit("day:{day}", concurrent=1))
    async def tidy(day: str = "today") -> None: ...

    assert app.crons[0].extra == {"limits": "day:today"}


@pytest.mark.parametrize(
    ("key", "given", "says"),
    [
        ("api", {}, "needs concurrent=, rate= or both"),
        ("{id}", {"concurrent": 1}, "begin with the limit's name"),
        ("two words:{id}", {"concurrent": 1}, "Limit name"),
        ("", {"concurrent": 1}, "Limit name"),
        ("api.rate", {"concurrent": 1}, "those of rates"),
        ("api", {"concurrent": 0}, "from 1 to 1,000,000,000"),
        ("api", {"concurrent": 1.5}, "whole number"),
        ("api", {"concurrent": True}, "whole number"),
        ("api", {"rate": "100"}, "100/m"),
        ("api", {"rate": "0/m"}, "from 1 to"),
        ("api", {"rate": "5/0s"}, "100/m"),
        ("api", {"rate": 100}, "100/m"),
    ],
)
def test_limits_that_are_none(key: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        limit(key, **given)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (limit("c:{nobody}", concurrent=1), "there is no argument 'nobody'; its arguments are: id, name"),
        (limit("c:{nobody.there}", concurrent=1), "no argument 'nobody'"),
        (limit("c:{}", concurrent=1), "argument's name into the braces"),
        (limit("c:{0}", concurrent=1), "argument's name into the braces"),
        (limit("c:{id", concurrent=1), "expected '}'"),
        ("api", "takes limit(...) or a list of them, not 'api'"),
        ([limit("api", concurrent=1), limit("api", concurrent=2)], "two sizes in one queue: 1 at once"),
    ],
)
def test_limits_that_do_not_fit_the_function(limits: Any, says: str) -> None:
    app = Clearq()
    with pytest.raises(UsageError) as caught:

        @app.task(name="send", limits=limits)
        async def send(id: int, name: str = "") -> None: ...

    assert says in str(caught.value)


def test_one_limit_has_one_size_in_a_queue() -> None:
    app = Clearq()

    @app.task(name="one", limits=limit("api", rate="10/s"))
    async def one() -> None: ...

    @app.task(name="same", limits=limit("api", rate="10/s", concurrent=3))
    async def same() -> None: ...

    @app.task(name="elsewhere", queue="other", limits=limit("api", rate="11/s"))
    async def elsewhere() -> None: ...

    with pytest.raises(UsageError, match=r"Limit 'api' has two sizes in one queue: 10/s \(one\) and 11/s \(two\)"):

        @app.task(name="two", limits=limit("api", rate="11/s"))
        async def two() -> None: ...

    with pytest.raises(UsageError, match="two sizes"):
        one.options(limits=limit("api", rate="12/s"))


def test_a_function_that_is_declared_anew_may_change_its_sizes() -> None:
    """A module that is imported again, as notebooks do."""
    app = Clearq()
    for size in (1, 2):

        @app.task(name="send", limits=limit("api", concurrent=size))
        async def send() -> None: ...

    assert app.registry.limits == [("default", "api", "2")]


def test_keys_that_cannot_be_made_of_the_arguments() -> None:
    app = Clearq()

    @app.task(name="send", limits=limit("c:{order.customer}", concurrent=1))
    async def send(order: Any) -> None: ...

    with pytest.raises(PayloadError, match=r"c:\{order.customer\}.*does not fit send"):
        send.call({"customer": 1})
    with pytest.raises(PayloadError, match="has not ended, so its key is not known yet"):
        send.call(ResultOf("0" * 32))


def test_a_limit_is_a_value() -> None:
    assert limit("a:{b}", concurrent=2) == Limit("a", "{b}", Size(2), None)
