"""What of the agent's environment reaches the user's process (B-030), and what does not."""

from __future__ import annotations

from clearq.executors.environ import task_environ


def test_agents_variables_reach_the_task_but_its_secrets_do_not() -> None:
    base = {
        "OPENBLAS_CORETYPE": "ARMV8",
        "AWS_SECRET_ACCESS_KEY": "the user's own",
        "CLEARQ_URL": "redis://:secret@host",
        "CLEARQ_GIT_PASSWORD": "secret",
        "CLEARML_API_SECRET_KEY": "secret",
        "CLEARML_AGENT_GIT_PASS": "secret",
        "CLEARQ_ATTEMPT": "/a/attempt.json",
        "CLEARQ_MARKER": "t.1",
        "CLEARQ_HOME": "/home/x/.clearq",
    }
    environ = task_environ(base, {})
    assert "secret" not in " ".join(value for name, value in environ.items() if name.startswith("CLEAR"))
    assert environ["OPENBLAS_CORETYPE"] == "ARMV8"
    assert environ["AWS_SECRET_ACCESS_KEY"] == "the user's own"
    assert environ["CLEARQ_ATTEMPT"] == "/a/attempt.json"
    assert environ["CLEARQ_HOME"] == "/home/x/.clearq"


def test_task_sets_its_own_but_not_what_the_agent_decides() -> None:
    base = {"A": "agent", "CUDA_VISIBLE_DEVICES": "0", "CLEARQ_MARKER": "t.1"}
    own = {"A": "task", "B": "task", "CUDA_VISIBLE_DEVICES": "0,1,2", "CLEARQ_MARKER": "hidden"}
    environ = task_environ(base, own)
    assert (environ["A"], environ["B"]) == ("task", "task")
    assert (environ["CUDA_VISIBLE_DEVICES"], environ["CLEARQ_MARKER"]) == ("0", "t.1")


def test_python_prints_at_once_unless_told_otherwise() -> None:
    assert task_environ({}, {})["PYTHONUNBUFFERED"] == "1"
    assert task_environ({"PYTHONUNBUFFERED": ""}, {})["PYTHONUNBUFFERED"] == ""
