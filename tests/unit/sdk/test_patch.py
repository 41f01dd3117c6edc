"""Patches of a spec: merging two is the same as applying one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearq.models import Parameter, TaskSpec
from clearq.sdk.patch import SpecPatch

NAMES = st.sampled_from("abc")
PARAMETERS = st.dictionaries(NAMES, st.integers(0, 3).map(lambda n: Parameter(value=str(n))), max_size=3)
PATCHES = st.builds(
    SpecPatch,
    fields=st.dictionaries(st.sampled_from(["comment", "project"]), st.text(max_size=2), max_size=2),
    script=st.dictionaries(st.sampled_from(["branch", "commit"]), st.text(max_size=2), max_size=2),
    container=st.dictionaries(st.sampled_from(["image", "arguments"]), st.text(max_size=2), max_size=2),
    parameters=PARAMETERS,
    dropped=st.frozensets(NAMES, max_size=2),
    only=st.booleans(),
    properties=st.dictionaries(NAMES, st.one_of(st.none(), st.just("x")), max_size=2),
    configurations=st.dictionaries(NAMES, st.text(max_size=2), max_size=2),
)


def consistent(patch: SpecPatch) -> bool:
    return not patch.dropped & patch.parameters.keys()


@given(first=PATCHES.filter(consistent), second=PATCHES.filter(consistent), before=PARAMETERS)
def test_merged_is_one_after_the_other(first: SpecPatch, second: SpecPatch, before: dict[str, Parameter]) -> None:
    spec = TaskSpec(name="t", parameters=before, properties={"a": "old"})
    assert first.then(second).apply(spec) == second.apply(first.apply(spec))


@given(patch=PATCHES.filter(consistent), before=PARAMETERS)
def test_applying_twice_changes_nothing(patch: SpecPatch, before: dict[str, Parameter]) -> None:
    once = patch.apply(TaskSpec(name="t", parameters=before))
    assert patch.apply(once) == once


def test_empty_is_false() -> None:
    assert not SpecPatch()
    assert SpecPatch(fields={"comment": ""})
