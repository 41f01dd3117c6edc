"""Every setting, read once at the edge and handed down.

Order of precedence: explicit argument, ``CLEARQ_*`` environment variable, ``CLEARML_*`` where a name is shared,
default. Units: seconds and bytes.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _names(name: str, *others: str) -> AliasChoices:
    return AliasChoices(name, f"CLEARQ_{name.upper()}", *others)


class Settings(BaseSettings):
    """The one settings object. ``Settings()`` reads the environment; keyword arguments win over it."""

    model_config = SettingsConfigDict(
        env_prefix="CLEARQ_", extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    #: ``redis://``, ``rediss://`` or ``unix://``; empty: the embedded server of this user.
    #: A password in it is a secret: print :meth:`shown_url` instead.
    url: SecretStr = SecretStr("")
    #: Keys start with ``{<namespace>}:``.
    namespace: str = "clearq"
    #: Secret that pickled arguments and results of functions are signed with; without one pickle is refused.
    signing_key: SecretStr = SecretStr("")
    #: What scrapes of ``clearq metrics --serve`` and ``clearq worker run --metrics`` must bear; empty: nothing.
    metrics_token: SecretStr = SecretStr("")
    #: Where this user's embedded server, caches and attempts live.
    home: Path = Path("~/.clearq")
    #: fsspec URL for artifacts and old logs; empty: ``<home>/artifacts`` beside the embedded server.
    artifacts_url: str = ""
    #: Bytes of arguments or of a result that travel within a task; larger ones go to the artifact store.
    payload_inline_bytes: int = Field(256 * 1024, ge=1024, le=16 * 1024 * 1024)
    #: Embedded server: how often the append-only file reaches the disk.
    durability: Literal["everysec", "always"] = "everysec"
    #: Seconds between heartbeats, and without one until a holder is dead.
    heartbeat: float = Field(5.0, gt=0)
    dead_after: float = Field(15.0, gt=0)
    #: Seconds to connect, and for an answer of a command that does not block.
    connect_timeout: float = Field(5.0, gt=0)
    command_timeout: float = Field(10.0, gt=0)
    #: Seconds a command line call or a library call goes on trying when the server is away.
    patience: float = Field(10.0, ge=0)
    #: Set by an agent for the processes of an attempt: the file that describes it.
    attempt: str = ""
    #: Name of this worker; empty: made from the host's name.
    worker_name: str = Field("", validation_alias=_names("worker_name", "CLEARML_WORKER_NAME"))
    worker_id: str = Field("", validation_alias=_names("worker_id", "CLEARML_WORKER_ID"))
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: Cached environments: at most so many, and none made with less disk free than this.
    venvs_max_entries: int = Field(10, ge=1)
    venvs_free_gb: float = 2.0
    #: Log lines of a task kept in Redis (bytes); the whole goes to the artifact store when it ends.
    log_tail_bytes: int = Field(4 * 1024 * 1024, ge=65_536)
    #: Scalar points kept of each metric and variant.
    scalar_points: int = Field(20_000, ge=100)

    @field_validator("namespace", mode="after")
    @classmethod
    def _fit_for_keys(cls, value: str) -> str:
        if not re.fullmatch(r"[^{}:\s]{1,64}", value):
            raise ValueError("Must have 1 to 64 characters, without spaces, colons and braces")
        return value

    @field_validator("home", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @cached_property
    def embedded(self) -> bool:
        """No server was named: this user's private one is meant."""
        return not self.url.get_secret_value()

    @property
    def silence(self) -> float:
        """Seconds of silence that are death: ``dead_after`` less a moment, so that what the dead one ran is running
        again ``dead_after`` seconds after its last heartbeat.

        Half a second: declaring, waking another worker and its claim take some hundredths, and ten times that on a
        loaded host. Never more than a tenth of what a holder has beyond one heartbeat, so that a short window, too,
        belongs to the living.
        """
        return self.dead_after - min(0.5, max(0.0, self.dead_after - self.heartbeat) / 10)

    @property
    def beat_every(self) -> float:
        """Seconds between two heartbeats as they are sent: a twentieth sooner than asked.

        So the third of the usual three, which would fall due when the window ends, comes while it still counts.
        """
        return self.heartbeat * 0.95

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return mask_url(self.url.get_secret_value()) or "embedded"


def mask_url(url: str) -> str:
    """``redis://user:secret@host`` with the secret replaced by stars."""
    scheme, separator, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{colon and ':***'}@{host}"
