"""The run of this very process, by hand (rows J-002 to J-006, J-018, J-026 to J-029)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from clearq import Logger, Task
from clearq.errors import UsageError
from clearq.sdk.channels import Scalars
from clearq.sdk.connection import connection
from clearq.sdk.outbox import Outbox

pytestmark = pytest.mark.usefixtures("sdk")


def read(task: Task) -> Task:
    """The task as another program sees it."""
    task.settle()
    return Task(task=connection().call(lambda engine: engine.tasks.get(task.id)))


def test_init_registers_a_run_by_hand() -> None:
    task = Task.init("project", "name", "testing", tags=["a"])
    assert Task.current_task() is task
    seen = read(task)
    assert (seen.project, seen.name, seen.task_type, seen.tags) == ("project", "name", "testing", ["a"])
    assert seen.status == "in_progress"
    assert seen.reload() is None
    assert connection().call(lambda engine: engine.tasks.get(task.id)).manual
    task.close()
    assert Task.current_task() is None
    assert task.status == "completed"


def test_a_second_init_gives_the_same_task() -> None:
    task = Task.init("project", "name")
    assert Task.init() is task
    assert Task.init("project", "name") is task
    with pytest.raises(UsageError, match=r"has the name 'name', and Task\.init\(\) asks for 'other'"):
        Task.init("project", "other")
    task.close()
    assert Task.init("project", "other") is not task


def test_the_whole_description_is_recorded() -> None:
    task = Task.init("project", "name")
    config = {"lr": 0.1, "net": {"layers": 3}}
    assert task.connect(config) is config
    task.connect({"lr": 1}, name="Other")
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=2)
    parser.parse_args([])
    task.connect_configuration({"a": 1}, name="conf")
    task.set_comment("why")
    task.add_tags(["x"])
    task.set_user_properties(owner="me")
    assert task.get_parameters() == {
        "General/lr": "0.1",
        "General/net/layers": "3",
        "Other/lr": "1",
        "Args/depth": "2",
    }
    seen = read(task)
    assert seen.get_parameters() == task.get_parameters()
    assert seen.get_configuration_object_as_dict("conf") == {"a": 1}
    assert (seen.comment, seen.tags) == ("why", ["x"])
    assert seen.get_user_properties(value_only=True) == {"owner": "me"}


def test_command_lines_can_be_left_out() -> None:
    task = Task.init("project", "name", auto_connect_arg_parser=False)
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=2)
    parser.parse_args([])
    assert task.get_parameters() == {}


def test_packages_set_by_hand_are_not_overwritten() -> None:
    task = Task.init("project", "name")
    task.set_packages(["only==1"])
    run = task.live_run
    assert run is not None and run.capture is not None
    run.capture.wait(60)
    assert read(task).script.requirements == "only==1\n"
    assert read(task).script.binary == f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_reports_arrive_in_order() -> None:
    task = Task.init("project", "name", auto_connect_streams=False)
    logger = Logger.current_logger()
    assert logger is not None
    for i in range(2500):
        logger.report_scalar("loss", "train", i / 2, i)
    logger.report_single_value("acc", 0.5)
    logger.report_single_value("acc", 0.75)
    logger.report_text("one", print_console=False)
    logger.report_text("two %s", 20, False, "x")
    task.set_progress(30)
    points = task.get_reported_scalars()["loss"]["train"]
    assert points["x"] == list(range(2500))
    assert points["y"] == [i / 2 for i in range(2500)]
    assert task.get_reported_single_values() == {"acc": 0.75}
    assert "\n".join(task.get_reported_console_output(10)) == "one\ntwo x"
    assert read(task).get_progress() == 30


def test_the_console_is_the_log() -> None:
    task = Task.init("project", "name")
    print("hello é🎉")
    print("oops", file=sys.stderr)
    task.get_logger().report_text("said")
    sys.stdout.write("no end")
    task.close()
    assert "\n".join(task.get_reported_console_output(10)).splitlines() == ["hello é🎉", "oops", "said", "no end"]


def test_ends() -> None:
    for name, end, status in (
        ("failed", lambda task: task.mark_failed(status_reason="no luck"), "failed"),
        ("stopped", lambda task: task.mark_stopped(), "stopped"),
        ("completed", lambda task: task.mark_completed(), "completed"),
    ):
        task = Task.init("project", name)
        assert end(task)
        assert task.status == status
        assert Task.current_task() is None


def test_artifacts_of_the_run(tmp_path: Path) -> None:
    task = Task.init("project", "name", output_uri=str(tmp_path / "elsewhere"))
    task.upload_artifact("data", {"a": 1})
    assert task.artifacts["data"].get() == {"a": 1}
    assert task.artifacts["data"].url.startswith((tmp_path / "elsewhere").as_uri())
    assert task.upload_artifact("more", "text", wait_on_upload=True)
    task.close()
    assert set(task.artifacts) == {"data", "more"}


class TestReuse:
    """``reuse_last_task_id``: the last task of the same names, when nothing speaks against it."""

    def test_the_last_task_is_used_again(self) -> None:
        first = Task.init("project", "name")
        first.get_logger().report_scalar("loss", "train", 1, 1)
        first.close()
        second = Task.init("project", "name")
        assert second.id == first.id
        assert second.get_last_scalar_metrics() == {}
        second.close()
        assert Task.init("project", "name", reuse_last_task_id=False).id != first.id

    def test_not_with_artifacts(self) -> None:
        first = Task.init("project", "name")
        first.upload_artifact("a", 1)
        first.close()
        assert Task.init("project", "name").id != first.id

    def test_not_under_another_name(self) -> None:
        first = Task.init("project", "name")
        first.close()
        assert Task.init("project", "other").id != first.id

    def test_not_when_it_waits_in_a_queue(self) -> None:
        first = Task.init("project", "name")
        first.close()
        first.reset()
        Task.enqueue(first, queue_name="default")
        second = Task.init("project", "name")
        second.settle()
        assert second.id != first.id
        assert (first.status, second.status) == ("queued", "in_progress")


def test_init_and_reports_do_not_wait_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(Outbox, "flush", lambda self, timeout: waited.append(timeout))
    monkeypatch.setattr("clearq.sdk.connection.Connection.call", lambda *_: pytest.fail("asked the server"))
    task = Task.init("project", "name")
    task.connect({"a": 1})
    task.get_logger().report_scalar("loss", "train", 1, 1)
    task.set_progress(3)
    task.set_comment("x")
    assert task.status == "in_progress"
    assert task.name == "name"
    assert not waited


def test_a_program_that_reports_too_fast_loses_nothing() -> None:
    task = Task.init("project", "name", auto_connect_streams=False)
    task.settle()
    run = task.live_run
    assert run is not None
    run.outbox.scalars = Scalars(most=4_000)
    logger = task.get_logger()
    for i in range(15_000):
        logger.report_scalar("loss", "train", i, i)
    assert logger.flush(wait=True)
    assert run.outbox.scalars.dropped == 0
    assert connection().call(lambda engine: engine.metrics.summary(task.id))[0].count == 15_000
