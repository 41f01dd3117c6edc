"""Queue ids are readable slugs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearq.models.queue import slug


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("default", "default"),
        ("GPU Queue", "gpu-queue"),
        ("high_q", "high_q"),
        ('we"ird\n  name ', "we-ird-name"),
        ("Überraschung", "überraschung"),
        ("😀", "queue"),
        ("", "queue"),
    ],
)
def test_slugs_can_be_read(name: str, id: str) -> None:
    assert slug(name) == id


@given(st.text())
def test_a_slug_fits_a_key_and_is_stable(name: str) -> None:
    made = slug(name)
    assert 1 <= len(made) <= 64
    assert not set(made) & set(" :{}\n\"'")
    assert slug(made) == made
