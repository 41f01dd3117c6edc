"""How a function's attempt ended: what its process wrote down, or what must be said where it could not."""

from __future__ import annotations

from pathlib import Path

import orjson
from pydantic import ValidationError

from clearq.clock import boottime
from clearq.engine.attempts import Attempts
from clearq.models import Outcome, Verdict
from clearq.models.verdict import OVERDUE, VERDICT

_STATUS = {"complete": "completed", "stop": "stopped"}


def read_verdict(folder: Path, *, stopped: bool) -> Verdict | None:
    """What the process said; ``None`` when it ended without a word.

    ``stopped``: somebody asked for the end, so whatever is no result counts as that.
    """
    verdict = _read(folder / VERDICT) or _read(folder / OVERDUE)
    if verdict is None or verdict.since > boottime():
        return None
    if stopped and verdict.how != "complete":
        return verdict.model_copy(update={"how": "stop", "payload": "", "reason": "stopped on request"})
    return verdict


def outcome_of(verdict: Verdict, ended: Outcome) -> Outcome:
    """The attempt's outcome in the words of the function."""
    status = _STATUS.get(verdict.how, "failed" if verdict.how in ("fail", "retry") else "released")
    return ended.model_copy(update={"status": status, "reason": verdict.reason})


def error_of(outcome: Outcome, kind: str) -> bytes:
    """The error of a function whose process ended without a word."""
    return orjson.dumps({"type": kind, "message": outcome.reason, "traceback": ""})


async def report(attempts: Attempts, task: str, fence: str, verdict: Verdict, outcome: Outcome) -> None:
    """Tell the server. Raises Stale."""
    code, message, data = outcome.exit_code, outcome.message, verdict.data
    match verdict.how:
        case "complete":
            await attempts.complete(task, fence, exit_code=code, message=message, result=data)
        case "stop":
            await attempts.stopped(task, fence, exit_code=code, reason=verdict.reason, message=message, error=data)
        case "release":
            await attempts.release(task, fence, reason=verdict.reason, pause=verdict.pause)
        case how:
            await attempts.fail(
                task,
                fence,
                exit_code=code,
                reason=verdict.reason,
                message=message,
                final=how == "fail",
                error=data,
                pause=verdict.pause,
            )


def _read(file: Path) -> Verdict | None:
    try:
        return Verdict.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
