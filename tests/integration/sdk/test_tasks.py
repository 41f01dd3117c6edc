"""Making, finding and changing tasks (rows J-001, J-008 to J-016, A-013, A-018, K-102)."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from clearq import Task, TaskTypes
from clearq.errors import (
    ArtifactError,
    QueueNotFound,
    SpecError,
    StatusConflict,
    TaskFailed,
    TaskNotFound,
    UsageError,
    WaitTimeout,
)
from clearq.models import ExecutorKind
from clearq.sdk.connection import connection
from clearq.settings import Settings
from tests.support.state import names

pytestmark = pytest.mark.usefixtures("sdk")


def draft(name: str = "draft", **options: object) -> Task:
    return Task.create("p", name, repo="https://host/r.git", script="train.py", **options)  # type: ignore[arg-type]


def test_create_from_a_repository() -> None:
    task = Task.create(
        "project",
        "name é🎉\n'\"",
        TaskTypes.data_processing,
        repo="https://host/r.git",
        branch="main",
        commit="abc",
        script="train.py",
        working_directory="src",
        packages=["numpy==1.0"],
        docker="image:1",
        docker_args="--ipc=host",
        docker_bash_setup_script=["apt update", "apt install x"],
        argparse_args=[("lr", 0.1), "--depth=3"],
    )
    again = Task.get_task(task.id)
    assert again is not None
    assert (again.name, again.project, again.task_type, again.status) == (
        "name é🎉\n'\"",
        "project",
        "data_processing",
        "created",
    )
    script = again.script
    assert (script.repository, script.branch, script.commit) == ("https://host/r.git", "main", "abc")
    assert (script.entry_point, script.working_dir, script.requirements) == ("train.py", "src", "numpy==1.0\n")
    assert again.container.image == "image:1"
    assert again.container.setup_script == "apt update\napt install x"
    assert again._spec.executor == ExecutorKind.DOCKER
    assert again.get_parameters() == {"Args/lr": "0.1", "Args/depth": "3"}


def test_create_from_a_local_script(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import pytest\nprint('hello')\n")
    task = Task.create("p", script="one.py", working_directory=str(tmp_path))
    assert (task.name, task.script.entry_point) == ("one", "one.py")
    assert task.script.diff == "import pytest\nprint('hello')\n"
    assert "pytest==" in (task.script.requirements or "")
    with pytest.raises(UsageError, match=r"There is no two\.py"):
        Task.create("p", script="two.py", working_directory=str(tmp_path))


def test_create_from_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("print('hello')\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "one.py").write_text("print('changed')\n")
    task = Task.create("p", script="one.py", working_directory=str(tmp_path))
    assert len(task.script.commit) == 40
    assert "+print('changed')" in task.script.diff
    assert task.script.repository == str(tmp_path)


def test_create_from_another_task() -> None:
    base = draft(argparse_args={"lr": 1})
    copy = Task.create(task_name="mine", base_task_id=base.id, packages=["x==1"])
    assert (copy.name, copy.project, copy.script.entry_point) == ("mine", "p", "train.py")
    assert copy.get_parameters() == {"Args/lr": "1"}
    assert copy.script.requirements == "x==1\n"


@pytest.mark.parametrize("kind", list(TaskTypes))
def test_task_types(kind: TaskTypes) -> None:
    assert draft(task_type=kind).task_type == kind.value


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(SpecError, match="There is no task type 'cooking'; there are: training,"):
        draft(task_type="cooking")


def test_a_draft_can_be_described() -> None:
    task = draft()
    task.set_name("other")
    task.set_comment("why")
    task.set_project(project_name="q")
    task.set_tags(["a", "a", "b"])
    task.add_tags("c d")
    task.set_repo("https://host/s.git", branch="dev")
    task.set_script(entry_point="run.py", commit="")
    task.set_packages(["numpy==2"])
    task.set_base_docker("image:2", ["--shm-size", "8 g"], "setup")
    task.set_user_properties({"name": {"value": "n"}}, owner="me", count=3)
    task.delete_user_properties("count")
    task.set_task_type(TaskTypes.testing)
    read = Task.get_task(task.id)
    assert read is not None
    assert (read.name, read.comment, read.project, read.tags) == ("other", "why", "q", ["a", "b", "c d"])
    assert (read.script.repository, read.script.branch, read.script.entry_point) == (
        "https://host/s.git",
        "dev",
        "run.py",
    )
    assert read.script.requirements == "numpy==2\n"
    assert read.get_base_docker() == "image:2 --shm-size '8 g'"
    assert read.get_user_properties(value_only=True) == {"name": "n", "owner": "me"}
    assert read.task_type == "testing"


def test_parameters_of_a_draft() -> None:
    task = draft()
    task.set_parameters({"Args/lr": 0.1, "General": {"net": {"layers": 3}}}, plain=True)
    assert task.get_parameters() == {"Args/lr": "0.1", "General/net/layers": "3", "General/plain": "True"}
    assert task.get_parameters(cast=True) == {"Args/lr": 0.1, "General/net/layers": 3, "General/plain": True}
    assert task.get_parameters_as_dict(cast=True) == {
        "Args": {"lr": 0.1},
        "General": {"net": {"layers": 3}, "plain": True},
    }
    task.set_parameter("Args/lr", 0.2, description="rate")
    assert task.get_parameter("Args/lr", cast=True) == 0.2
    assert task.get_parameter("none", default="d") == "d"
    task.update_parameters({"x": [1, 2]})
    assert task.get_parameter("x", cast=True) == [1, 2]
    assert task.delete_parameter("x")
    assert not task.delete_parameter("x")
    task.set_parameters_as_dict({"Args": {"only": 1}})
    assert task.get_parameters() == {"Args/only": "1"}


def test_configurations_of_a_draft() -> None:
    task = draft()
    task.set_configuration_object("one", config_dict={"a": [1]})
    task.set_configuration_object("two", config_text="plain é\n")
    assert task.get_configuration_object_as_dict("one") == {"a": [1]}
    assert task.get_configuration_object("two") == "plain é\n"
    assert set(task.get_configuration_objects()) == {"one", "two"}
    assert task.get_configuration_object("three") is None


def test_find_tasks() -> None:
    first, second = draft("same", task_type="qc"), draft("same")
    other = draft("quite another")
    other.set_tags(["t", "u"])
    found = Task.get_task(project_name="p", task_name="same")
    assert found is not None and found.id == second.id
    first.set_comment("touched")
    found = Task.get_task(project_name="p", task_name="same")
    assert found is not None and found.id == first.id
    assert Task.get_task(project_name="p", task_name="sam") is None
    assert Task.get_task(project_name="q") is None
    assert [task.id for task in Task.get_tasks(task_name="sam")] == [first.id, second.id]
    assert Task.query_tasks(tags=["t"]) == [other.id]
    assert Task.query_tasks(tags=["-t"], project_name="p") == [first.id, second.id]
    assert Task.query_tasks(task_filter={"type": ["qc"]}) == [first.id]
    assert Task.query_tasks(task_filter={"status": ["queued"]}) == []
    by_age = Task.query_tasks(task_filter={"order_by": ["created"]})
    assert by_age == [first.id, second.id, other.id]
    assert Task.query_tasks(task_filter={"type": ["qc"]}, additional_return_fields=["name", "status"]) == [
        {"id": first.id, "name": "same", "status": "created"}
    ]
    assert [task.id for task in Task.get_tasks(task_ids=[other.id, first.id])] == [other.id, first.id]
    with pytest.raises(UsageError, match="task_filter has no colour"):
        Task.query_tasks(task_filter={"colour": "red"})


def test_archived_tasks() -> None:
    task = draft()
    task.set_archived(True)
    assert task.get_archived()
    assert Task.get_task(project_name="p", allow_archived=False) is None
    assert Task.query_tasks(task_filter={"system_tags": ["archived"]}) == [task.id]
    assert Task.query_tasks(task_filter={"system_tags": ["-archived"]}) == []
    task.set_archived(False)
    assert Task.get_task(project_name="p", allow_archived=False) is not None


def test_an_unknown_id_is_told() -> None:
    with pytest.raises(TaskNotFound, match="There is no task ffff"):
        Task.get_task("ffffffff")


def test_clone() -> None:
    source = draft(argparse_args={"lr": 1})
    source.set_tags(["a"])
    copy = Task.clone(source)
    assert copy.id != source.id
    assert (copy.name, copy.status, copy.parent, copy.tags) == ("Clone of draft", "created", source.id, ["a"])
    assert copy.get_parameters() == {"Args/lr": "1"}
    named = Task.clone(source.id, name="n", project="q", comment="c", parent=copy.id)
    assert (named.name, named.project, named.comment, named.parent) == ("n", "q", "c", copy.id)
    assert source.name == "draft"
    with pytest.raises(UsageError, match="this program has none"):
        Task.clone()


def test_enqueue_answers_as_clearml_does() -> None:
    task = draft()
    answer = Task.enqueue(task, queue_name="default")
    assert set(answer) == {"queued", "updated", "fields"}
    assert (answer["queued"], answer["updated"]) == (1, 1)
    assert set(answer["fields"]) == {
        "status",
        "status_reason",
        "status_message",
        "status_changed",
        "last_update",
        "execution.queue",
    }
    assert answer["fields"]["status"] == "queued"
    assert answer["fields"]["execution.queue"] == "default"
    datetime.fromisoformat(answer["fields"]["status_changed"])
    assert task.status == "queued"
    assert Task.get_num_enqueued_tasks("default") == 1
    assert task.get_executed_queue(return_name=True) == "default"


def test_a_waiting_task_is_not_enqueued_again() -> None:
    task = draft()
    Task.enqueue(task.id, queue_id="default")
    with pytest.raises(StatusConflict, match="is queued, so it cannot be enqueued"):
        Task.enqueue(task, queue_name="services")
    assert Task.get_num_enqueued_tasks("default") == 1
    assert Task.get_num_enqueued_tasks("services") == 0
    Task.dequeue(task)
    assert task.status == "created"
    assert Task.get_num_enqueued_tasks("default") == 0


def test_enqueue_needs_a_queue_that_exists() -> None:
    task = draft()
    with pytest.raises(QueueNotFound, match=r"There is no queue 'gpu'\. Queues are: 'default', 'services'"):
        Task.enqueue(task, queue_name="gpu")
    with pytest.raises(UsageError, match="needs queue_name or queue_id"):
        Task.enqueue(task)
    assert task.status == "created"


def test_status_changes() -> None:
    task = draft()
    task.mark_started()
    assert task.status == "in_progress"
    with pytest.raises(StatusConflict):
        Task.enqueue(task, queue_name="default")
    assert task.mark_failed(status_reason="no luck", status_message="details")
    assert (task.status, task.get_status_message()) == ("failed", "details")
    task.reset()
    assert task.status == "created"
    task.mark_started()
    assert task.mark_completed()
    assert not task.mark_failed()
    with pytest.raises(StatusConflict):
        task.mark_failed(ignore_errors=False)
    assert task.mark_failed(force=True)
    assert task.publish()
    assert task.status == "published"
    with pytest.raises(StatusConflict):
        task.set_comment("never again")


def test_a_waiting_task_can_be_stopped() -> None:
    task = draft()
    Task.enqueue(task, queue_name="default")
    task.mark_stop_request(status_message="enough")
    assert task.status == "stopped"
    task.wait_for_status()


def test_wait_for_status() -> None:
    task = draft()
    with pytest.raises(WaitTimeout, match="is still created"):
        task.wait_for_status(timeout=0.01)
    task.wait_for_status(["created"])
    task.mark_started()
    task.mark_failed(status_reason="no luck")
    with pytest.raises(TaskFailed, match="is failed: no luck"):
        task.wait_for_status()
    task.wait_for_status(["failed"], raise_on_status=None)


def test_delete() -> None:
    task = draft()
    task.upload_artifact("a", {"x": 1})
    path = Path(task.artifacts["a"].get_local_copy() or "")
    assert path.is_file()
    assert task.delete()
    assert not path.exists()
    with pytest.raises(TaskNotFound):
        Task.get_task(task.id)
    assert not task.delete()


def test_artifacts_of_another_task(sdk: Settings, tmp_path: Path) -> None:
    task = draft()
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert task.upload_artifact("report", {"acc": 0.9}, metadata={"k": 1})
    assert task.upload_artifact("model", tmp_path / "model.bin", delete_after_upload=True)
    assert task.upload_artifact("remote", "s3://bucket/x")
    artifacts = task.artifacts
    assert artifacts["report"].get() == {"acc": 0.9}
    assert artifacts["report"].metadata == {"k": "1"}
    assert '"acc": 0.9' in artifacts["report"].preview
    assert artifacts["report"].get(deserialization_function=len) == artifacts["report"].size
    assert artifacts["model"].get().read_bytes() == b"weights"
    assert not (tmp_path / "model.bin").exists()
    assert artifacts["report"].url.startswith((tmp_path / "store").as_uri())
    assert (artifacts["remote"].url, artifacts["remote"].type) == ("s3://bucket/x", "url")
    task.delete_artifacts(["report"])
    assert set(task.artifacts) == {"model", "remote"}


def test_artifacts_without_a_store_lie_in_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARQ_ARTIFACTS_URL")
    task = draft()
    assert task.upload_artifact("report", {"acc": 0.9})
    assert task.upload_artifact("weights", bytes(20 * 1024 * 1024))
    assert task.upload_artifact("weights", b"x" * 20 * 1024 * 1024), "the older one makes room"
    artifacts = task.artifacts
    assert artifacts["report"].get() == {"acc": 0.9}
    assert artifacts["report"].url.startswith(f"clearq:{task.id}/")
    assert artifacts["weights"].get() == b"x" * 20 * 1024 * 1024
    with pytest.raises(ArtifactError, match=r"at most 32 MB .* Set CLEARQ_ARTIFACTS_URL"):
        task.upload_artifact("more", bytes(20 * 1024 * 1024))
    with pytest.raises(ArtifactError, match=r"at most 32 MB .* Set CLEARQ_ARTIFACTS_URL"):
        task.upload_artifact("huge", bytes(40 * 1024 * 1024))
    task.delete_artifacts(["weights"])
    assert task.upload_artifact("more", bytes(20 * 1024 * 1024))
    state = connection().call(lambda engine: names(engine.storage))
    assert len([key for key in state if ":chunk:" in key]) == 2
    assert task.delete()
    state = connection().call(lambda engine: names(engine.storage))
    assert [key for key in state if ":chunk" in key] == []


def test_reports_for_another_task() -> None:
    task = draft()
    logger = task.get_logger()
    for i in range(5):
        logger.report_scalar("loss", "train", 1 / (i + 1), i)
    logger.report_single_value("acc", 0.5)
    logger.report_text("a line of %d", print_console=True)
    task.set_progress(40)
    assert task.get_last_scalar_metrics()["loss"]["train"] == {"last": 0.2, "min": 0.2, "max": 1.0}
    assert task.get_reported_scalars()["loss"]["train"]["x"] == [0, 1, 2, 3, 4]
    assert task.get_reported_scalars(max_samples=2)["loss"]["train"]["x"] == [0, 3]
    assert task.get_reported_single_value("acc") == 0.5
    assert task.get_reported_console_output() == ["a line of %d"]
    assert (task.get_progress(), task.get_last_iteration()) == (40, 4)
    with pytest.raises(UsageError, match="out of range"):
        task.set_progress(101)
