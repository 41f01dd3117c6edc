"""The agent's decision: order, room, and what holds for every input."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearq.models import Needs
from clearq.policies import Card, Host, Lineup, Memo, Waiting, decide, obstacle


def cpu(name: str) -> Waiting:
    return Waiting(name)


def gpu(name: str, count: int = 1) -> Waiting:
    return Waiting(name, Needs(gpus=count))


def ids(plan) -> list[str]:
    return [start.task for start in plan.starts]


def run_all(queues: list[Lineup], order: str) -> list[str]:
    """One slot, one task after the other, until all queues are empty."""
    memo, done = Memo(), []
    while True:
        left = [Lineup(q.queue, tuple(t for t in q.tasks if t.id not in done), q.paused) for q in queues]
        plan = decide(Host(slots_free=1), left, memo, order=order)
        if not plan.starts:
            return done
        memo = plan.memo
        done += ids(plan)


def test_strict_order_empties_the_first_queue_first():
    queues = [Lineup("high", (cpu("h1"), cpu("h2"))), Lineup("low", (cpu("l1"), cpu("l2")))]
    assert run_all(queues, "strict") == ["h1", "h2", "l1", "l2"]


def test_rotation_takes_turns_and_passes_over_an_empty_queue():
    queues = [
        Lineup("a", (cpu("a1"), cpu("a2"), cpu("a3"))),
        Lineup("b"),
        Lineup("c", (cpu("c1"), cpu("c2"), cpu("c3"))),
    ]
    assert run_all(queues, "rotation") == ["a1", "c1", "a2", "c2", "a3", "c3"]


def test_rotation_goes_on_behind_the_queue_served_last():
    queues = [Lineup("a", (cpu("a1"),)), Lineup("b", (cpu("b1"),))]
    assert ids(decide(Host(slots_free=1), queues, Memo("a"), order="rotation")) == ["b1"]
    assert ids(decide(Host(slots_free=1), queues, Memo("gone"), order="rotation")) == ["a1"]


def test_a_paused_queue_is_not_served():
    queues = [Lineup("a", (cpu("a1"),), paused=True), Lineup("b", (cpu("b1"),))]
    assert ids(decide(Host(slots_free=2), queues)) == ["b1"]


def test_slots_bound_the_number_of_starts():
    queue = [Lineup("a", tuple(cpu(f"t{n}") for n in range(5)))]
    assert ids(decide(Host(slots_free=3), queue)) == ["t0", "t1", "t2"]
    assert ids(decide(Host(slots_free=0), queue)) == []


CARDS = (Card("G0", "NVIDIA A100", 40 * 2**30), Card("G1", "NVIDIA A100", 40 * 2**30))


def test_an_exclusive_agent_gives_all_gpus_to_each_task():
    host = Host(slots_free=1, cards=CARDS, exclusive=True)
    plan = decide(host, [Lineup("a", (cpu("t0"), gpu("t1")))])
    assert [(s.task, s.gpus) for s in plan.starts] == [("t0", ("G0", "G1"))]


def test_a_sharing_agent_runs_cpu_tasks_beside_one_gpu_task():
    host = Host(slots_free=1, cards=CARDS)
    plan = decide(host, [Lineup("a", (gpu("g1"), gpu("g2"), cpu("c1"), cpu("c2")))])
    assert [(s.task, s.gpus) for s in plan.starts] == [("g1", ("G0", "G1")), ("c1", ())]


def test_a_task_larger_than_the_agent_is_passed_over():
    host = Host(slots_free=1, cards=CARDS)
    assert ids(decide(host, [Lineup("a", (gpu("big", 3), gpu("fits", 2)))])) == ["fits"]


def test_a_card_of_somebody_else_is_waited_for_with_a_time_to_look_again():
    host = Host(slots_free=1, cards=CARDS, exclusive=True, foreign=frozenset({"G1"}))
    plan = decide(host, [Lineup("a", (gpu("t"),))], now=100.0)
    assert plan.starts == ()
    assert plan.wake_at == 101.0


def test_nothing_to_wait_for_means_no_time_to_look_again():
    foreign = Host(slots_free=1, cards=CARDS, exclusive=True, foreign=frozenset({"G1"}))
    assert decide(foreign, [Lineup("a")]).wake_at is None
    own = Host(slots_free=0, cards=CARDS, exclusive=True, busy=frozenset({"G0", "G1"}))
    assert decide(own, [Lineup("a", (gpu("t"),))]).wake_at is None


@pytest.mark.parametrize(
    ("task", "host", "word"),
    [
        (Waiting("t", executor="docker"), Host(1), "executor docker"),
        (Waiting("t", executor="function"), Host(1), "needs an agent with --app"),
        (gpu("t", 2), Host(1, CARDS[:1]), "needs 2 GPUs"),
        (Waiting("t", Needs(gpus=1, gpu_type="H100")), Host(1, CARDS), "H100"),
        (Waiting("t", Needs(gpus=1, gpu_memory=80 * 2**30)), Host(1, CARDS), "80 GiB"),
        (Waiting("t", Needs(cpus=64)), Host(1, cpus=2), "64 cores"),
        (Waiting("t", Needs(memory=2**40)), Host(1, memory=2**30), "1.02e+03 GiB"),
    ],
)
def test_obstacles_say_what_is_missing(task, host, word):
    assert word in obstacle(task, host)
    assert decide(host, [Lineup("a", (task,))]).starts == ()


def test_a_fitting_task_has_no_obstacle():
    needs = Needs(gpus=2, gpu_type="a100", gpu_memory=40 * 2**30, cpus=1, memory=2**20)
    assert obstacle(Waiting("t", needs), Host(1, CARDS, cpus=2, memory=2**30)) == ""


tasks = st.builds(
    lambda gpus, executor: (gpus, executor), st.integers(0, 3), st.sampled_from(["venv", "process", "docker"])
)


@st.composite
def scenes(draw):
    number = iter(range(10_000))
    queues = [
        Lineup(
            f"q{index}",
            tuple(Waiting(f"t{next(number)}", Needs(gpus=g), e) for g, e in draw(st.lists(tasks, max_size=6))),
            draw(st.booleans()),
        )
        for index in range(draw(st.integers(0, 4)))
    ]
    cards = tuple(Card(f"G{n}") for n in range(draw(st.integers(0, 3))))
    uuids = [card.uuid for card in cards]
    some = st.sets(st.sampled_from(uuids)) if uuids else st.just(set())
    host = Host(
        slots_free=draw(st.integers(0, 3)),
        cards=cards,
        busy=frozenset(draw(some)),
        foreign=frozenset(draw(some)),
        exclusive=draw(st.booleans()),
    )
    memo = Memo(draw(st.sampled_from(["", "q0", "q1", "q9"])))
    return host, queues, memo, draw(st.sampled_from(["strict", "rotation"]))


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_what_holds_for_every_input(scene):
    host, queues, memo, order = scene
    before = copy.deepcopy((host, queues, memo))
    plan = decide(host, queues, memo, order=order, now=1.0)

    assert (host, queues, memo) == before, "arguments were changed"
    assert plan == decide(host, queues, memo, order=order, now=1.0), "same arguments, another plan"

    started = ids(plan)
    assert len(started) == len(set(started)), "a task was started twice"
    given = [uuid for start in plan.starts for uuid in start.gpus]
    assert len(given) == len(set(given)), "a GPU was given twice"
    assert not set(given) & (host.busy | host.foreign), "a busy GPU was given"
    slots = [start for start in plan.starts if host.exclusive or not start.gpus]
    assert len(slots) <= host.slots_free

    by_id = {task.id: task for lineup in queues for task in lineup.tasks}
    homes = {task.id: lineup for lineup in queues for task in lineup.tasks}
    for start in plan.starts:
        assert not obstacle(by_id[start.task], host)
        assert not homes[start.task].paused
        assert homes[start.task].queue == start.queue
        assert start.gpus == () or start.gpus == tuple(card.uuid for card in host.cards)
        assert len(start.gpus) >= by_id[start.task].needs.gpus

    # Inside a queue nobody overtakes a task of the same kind: what starts is a prefix of each kind.
    for lineup in queues:
        for needs_gpu in (True, False):
            same = [t.id for t in lineup.tasks if (t.needs.gpus > 0) == needs_gpu and not obstacle(t, host)]
            taken = [task for task in same if task in started]
            assert taken == same[: len(taken)] or host.exclusive

    # Nothing that could still start is left: the plan is as long as it can be.
    if slots and len(slots) < host.slots_free and not host.cards:
        assert all(t.id in started or obstacle(t, host) for q in queues if not q.paused for t in q.tasks)


@settings(max_examples=200, deadline=None)
@given(scenes())
def test_strict_order_never_serves_a_later_queue_while_an_earlier_one_could_start(scene):
    _, queues, memo, _ = scene
    host = Host(slots_free=1)
    plan = decide(host, queues, memo)
    expected = next(
        (t.id for q in queues if not q.paused for t in q.tasks if not obstacle(t, host)),
        None,
    )
    assert ids(plan) == ([expected] if expected else [])
