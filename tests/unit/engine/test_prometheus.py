"""Figures as Prometheus reads them."""

from __future__ import annotations

import re

from clearq.engine.figures import Figures, counted
from clearq.engine.prometheus import render
from clearq.models.queue import Pause, Queue
from clearq.models.worker import Worker, WorkerInfo

LINE = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\\n])*"(,[a-z]+="(\\.|[^"\\\n])*")*\})? -?[0-9.e+-]+')


def figures() -> Figures:
    paused = Queue(id="b", name='"b"\\\n', pause=Pause(by="ada", why="", at=0.0))
    worker = Worker(
        id="w.1",
        info=WorkerInfo(label="w0", kind="function", slots=100),
        last_seen=98.5,
        metrics={"busy": 3.0, "done": 7.0, "failed": 1.0, "run_seconds": 1.25},
    )
    agent = Worker(id="a.1", info=WorkerInfo(label="lab1:gpu0"), last_seen=101.0)
    return Figures(
        100.0,
        [Queue(id="default", name="default", waiting=5, delayed=1, running=3, workers=2, oldest=97.5), paused],
        [worker, agent],
        dead=2,
        functions={("app.f", "complete"): 6, ("app.f", "fail"): 1},
    )


def test_every_line_is_one_that_prometheus_reads() -> None:
    text = render(figures())
    assert text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line


def test_the_values() -> None:
    lines = render(figures()).splitlines()
    for wanted in (
        'clearq_queue_waiting{queue="default"} 5',
        'clearq_queue_oldest_seconds{queue="default"} 2.5',
        'clearq_queue_oldest_seconds{queue="\\"b\\"\\\\\\n"} 0',
        'clearq_queue_paused{queue="\\"b\\"\\\\\\n"} 1',
        'clearq_worker_busy{worker="w0",kind="function"} 3',
        'clearq_worker_calls_total{worker="w0",kind="function"} 7',
        'clearq_worker_run_seconds_total{worker="w0",kind="function"} 1.25',
        'clearq_worker_silent_seconds{worker="w0",kind="function"} 1.5',
        'clearq_worker_silent_seconds{worker="lab1:gpu0",kind="agent"} 0',
        "# TYPE clearq_worker_calls_total counter",
        "# TYPE clearq_queue_waiting gauge",
        "clearq_dead_tasks 2",
        'clearq_function_events{function="app.f",event="complete"} 6',
    ):
        assert wanted in lines
    assert not any("clearq_worker_calls_total" in line and "lab1" in line for line in lines)


def test_a_family_without_values_is_left_out() -> None:
    text = render(Figures(0.0))
    assert "clearq_queue_waiting" not in text and "clearq_lost_attempts 0\n" in text


def test_entries_of_the_stream() -> None:
    assert counted({"at": "1", "name": "queued", "app.f": "2"}) == {("app.f", "queued"): 2}
    assert counted({"at": "1", "name": "ended", "app.f complete": "2", "app.g fail": "1"}) == {
        ("app.f", "complete"): 2,
        ("app.g", "fail"): 1,
    }
