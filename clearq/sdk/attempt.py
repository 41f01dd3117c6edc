"""What an agent's supervisor told this process: the file named by ``CLEARQ_ATTEMPT``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError

from clearq.errors import ConfigurationError
from clearq.models import AttemptFile
from clearq.settings import Settings

#: Names the attempt's file; set by the supervisor, inherited by all processes of the attempt.
ATTEMPT_VARIABLE = "CLEARQ_ATTEMPT"


@dataclass(frozen=True)
class Attempt:
    """The attempt that this process belongs to."""

    file: AttemptFile

    @property
    def settings(self) -> Settings:
        """Settings for the attempt's server, whatever the environment says of another."""
        return Settings(
            url=SecretStr(self.file.url),
            namespace=self.file.namespace,
            home=Path(self.file.home),
            artifacts_url=self.file.artifacts_url,
        )


def attempt_file() -> Attempt | None:
    """The attempt, or ``None`` for a run by hand. No network is needed.

    Raises :class:`~clearq.errors.ConfigurationError` when the variable is set and its file cannot be used.
    """
    path = os.environ.get(ATTEMPT_VARIABLE)
    if not path:
        return None
    try:
        return Attempt(AttemptFile.model_validate_json(Path(path).read_bytes()))
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{ATTEMPT_VARIABLE} names {path}, which cannot be read as an attempt ({type(error).__name__}); "
            "unset it to run by hand"
        ) from error
