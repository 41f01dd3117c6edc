"""What of this directory travels with a task that ``clearq run`` makes."""

from __future__ import annotations

from pathlib import Path

from clearq.cli.command import PythonCommand
from clearq.environments.record import Note, record
from clearq.errors import UsageError
from clearq.models import Script


def capture_here(
    command: PythonCommand, here: Path, *, same_host: bool, requirements: str | None, note: Note
) -> Script:
    """The code that ``command`` runs in ``here``. ``requirements``: given by the user, else found out.

    ``note`` gets a sentence for each thing that will not be as here. Raises UsageError, SpecError.
    """
    if not command.module and not (here / command.entry_point).is_file():
        raise UsageError(f"there is no file {command.entry_point[:200]!r} in {here}")
    script = record(here, command.entry_point, same_host=same_host, requirements=requirements, note=note)
    if not script.repository and script.diff:
        note(f"{script.entry_point} is in no git repository: it travels alone and starts in an empty folder")
    return script.model_copy(update={"argv": command.argv, "binary": command.binary})
