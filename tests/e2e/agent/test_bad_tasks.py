"""Tasks that cannot be prepared: one clear sentence each, and the agent goes on with the next one."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from clearq.engine import Engine
from clearq.models import Script, Status, TaskSpec
from clearq.settings import Settings
from tests.support.agents import Agents, ended, output, shell, until


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one script that needs nothing."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text("import sys; print('trained', *sys.argv[1:])\n")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    return folder


def venv(script: Script) -> TaskSpec:
    return TaskSpec(name="train", script=script)


async def test_each_bad_task_says_what_is_wrong_and_the_next_one_runs(
    engine: Engine, agents: Agents, repository: Path, tmp_path: Path
):
    good = Script(repository=str(repository), branch="main", entry_point="train.py", argv=("--lr", "0.1"))
    bad = {
        "no-such-repository": good.model_copy(update={"repository": str(tmp_path / "no-such-repository")}),
        "0123456789": good.model_copy(update={"commit": "0123456789" * 4}),
        "no-such-script.py": good.model_copy(update={"entry_point": "no-such-script.py"}),
        "do not apply": good.model_copy(update={"diff": "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"}),
        "!!!": good.model_copy(update={"requirements": "this is !!! no requirement\n"}),
    }
    ids = {word: await engine.tasks.submit(venv(script), "default") for word, script in bad.items()}
    last = await engine.tasks.submit(venv(good), "default")
    await agents.start("--queue", "default")
    for word, task_id in ids.items():
        task = await ended(engine, task_id, timeout=90)
        assert task.status is Status.FAILED, word
        assert word in task.status_reason
        assert "\n" not in task.status_reason.strip()
        assert word in await output(engine, task_id)
    task = await ended(engine, last, timeout=90)
    assert task.status is Status.COMPLETED, task.status_reason
    assert "trained --lr 0.1" in await output(engine, last)


async def test_an_agent_whose_home_cannot_be_used_hands_back_and_says_so(
    engine: Engine, agents: Agents, settings: Settings
):
    """The attempts' folder cannot be made (here: a file is in its place), as on a full disk."""
    settings.home.mkdir(parents=True, exist_ok=True)
    blocked = settings.home / "attempts"
    blocked.write_text("")
    agent = await agents.start("--queue", "default", CLEARQ_HEARTBEAT="0.3")
    task = await engine.tasks.submit(shell("true"), "default")

    async def handed_back() -> bool:
        found = await engine.tasks.get(task)
        return found.status is Status.QUEUED and "could not start it" in found.status_reason

    async def told() -> bool:
        (worker,) = await engine.workers.list()
        return worker.state.startswith("takes no tasks: ")

    await until(handed_back, "the task waits again")
    await until(told, "the worker says why it takes none")
    found = await engine.tasks.get(task)
    assert found.failures == 0 and found.losses == 0
    more = [await engine.tasks.submit(shell("true"), "default") for _ in range(3)]
    await asyncio.sleep(0)  # they ring the agent, which claims none of them
    blocked.unlink()
    for each in [task, *more]:
        assert (await ended(engine, each)).status is Status.COMPLETED
    assert agent.text().count("no tasks are taken") == 1
    assert [(await engine.tasks.get(each)).claims for each in more] == [1, 1, 1]


async def test_a_long_output_is_kept_whole_in_the_artifact_store(engine: Engine, agents: Agents, tmp_path: Path):
    await agents.start(
        "--queue", "default", CLEARQ_LOG_TAIL_BYTES="65536", CLEARQ_ARTIFACTS_URL=str(tmp_path / "store")
    )
    task = await engine.tasks.submit(shell("seq 1 60000"), "default")
    done = await ended(engine, task)
    assert done.status is Status.COMPLETED
    text = gzip.decompress(Path(done.log_url.removeprefix("file://")).read_bytes()).decode()
    assert text.split() == [str(number) for number in range(1, 60001)]
    assert (await output(engine, task)).split()[-1] == "60000"


async def test_a_wrong_password_is_one_clear_sentence(settings: Settings, tmp_path: Path):
    from tests.support.agents import clearq

    url = settings.url.get_secret_value()
    head, _, socket = url.rpartition("@")
    assert head
    wrong = settings.model_copy(update={"url": SecretStr(f"unix://:wrong-password@{socket}")})
    refused = clearq(wrong, "agent", "daemon")
    assert refused.returncode == 5
    assert "refused" in refused.stderr and "wrong-password" not in refused.stderr
