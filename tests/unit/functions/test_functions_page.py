"""The page on functions says what the code does; its examples are run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

import clearq
from clearq import Clearq
from clearq.functions.context import Context
from clearq.functions.options import OptionFields, Options
from clearq.testing import simulate

PAGE = Path(clearq.__file__).parent / "docs" / "functions.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_table_of_options_is_the_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    expected = {field.name: field.default for field in fields(Options)}
    assert {name: ast.literal_eval(shown) for name, shown in rows.items()} == expected
    assert MISSING not in expected.values()
    assert set(expected) == set(OptionFields.__annotations__)


def test_what_current_has_is_on_the_page() -> None:
    sentence = re.search(r"`current\(\)` has (.*?)\.\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert sentence
    for name in re.findall(r"`(\w+)", sentence[1]):
        assert hasattr(Context("1", "f"), name)


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_are_python(block: str) -> None:
    compile(block, "functions.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def run(block: str, **names: Any) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "tasks", **names}
    exec(compile(block, "functions.md", "exec"), space)  # noqa: S102
    return space


@pytest.mark.parametrize("test", ["test_resize", "test_a_crash_after_the_work"])
async def test_the_examples_of_tests_pass(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARQ_URL", "redis://nowhere.invalid:1")
    tasks = run(next(block for block in BLOCKS if "# tasks.py" in block))
    app = tasks["app"]
    assert isinstance(app, Clearq)
    block = next(block for block in BLOCKS if "def test_resize" in block)
    examples = run(block.replace("from tasks import app, resize\n", ""), app=app, resize=tasks["resize"])
    example: Callable[..., Any] = examples[test]
    async with simulate(app) as sim:
        await example(sim)
