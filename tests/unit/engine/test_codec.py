"""Tasks survive the way to Redis hashes and back, and defaults cost nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearq.engine.codec import decode_spec, decode_task, encode_spec, is_spec_field
from clearq.models import Container, ExecutorKind, Limits, Needs, Parameter, Script, Status, TaskSpec, TaskType

text = st.text(max_size=30)
names = st.dictionaries(st.text(min_size=1, max_size=20), text, max_size=3)
specs = st.builds(
    TaskSpec,
    name=st.text(min_size=1, max_size=40),
    project=text,
    type=st.sampled_from(TaskType),
    executor=st.sampled_from(ExecutorKind),
    tags=st.lists(text, max_size=3).map(tuple),
    comment=text,
    parent=text,
    script=st.builds(
        Script,
        repository=text,
        diff=text,
        argv=st.lists(text, max_size=4).map(tuple),
        requirements=st.none() | text,
        environment=names,
    ),
    container=st.builds(Container, image=text, arguments=text),
    needs=st.builds(
        Needs, gpus=st.integers(0, 8), cpus=st.none() | st.floats(0, 64), memory=st.none() | st.integers(0, 2**40)
    ),
    limits=st.builds(
        Limits, time_limit=st.none() | st.floats(0.1, 1e6), retries=st.integers(0, 9), lost_timeout=st.floats(0, 1e5)
    ),
    parameters=st.dictionaries(
        st.text(min_size=1, max_size=20),
        st.builds(Parameter, value=text, type=st.sampled_from(["str", "int"]), description=text),
        max_size=4,
    ),
    properties=names,
    configurations=names,
)


@given(specs)
def test_a_description_comes_back_as_it_was(spec: TaskSpec) -> None:
    fields = encode_spec(spec)
    assert all(isinstance(value, str) for value in fields.values())
    assert all(is_spec_field(name) for name in fields)
    assert decode_spec(fields) == spec


def test_defaults_are_not_written() -> None:
    assert encode_spec(TaskSpec(name="t")) == {"name": "t", "type": "training", "executor": "venv"}


def test_a_lean_task_reads_as_queued() -> None:
    task = decode_task("a" * 32, {"name": "t", "queue": "default", "enqueued": "1500"})
    assert (task.status, task.queue, task.enqueued, task.claims) == (Status.QUEUED, "default", 1.5, 0)
