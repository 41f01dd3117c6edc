"""From a claim to the file that its supervisor works by."""

from __future__ import annotations

import os
import secrets

from clearq.agent.gpus import Gpu, visible
from clearq.agent.own_app import OwnApp
from clearq.executors.host import HostIdentity
from clearq.models import AttemptFile, Claim
from clearq.settings import Settings


def attempt_file(
    settings: Settings,
    host: HostIdentity,
    claim: Claim,
    gpus: tuple[Gpu, ...],
    held: tuple[str, ...],
    app: OwnApp | None = None,
) -> AttemptFile:
    """What the supervisor of a claimed task needs to know."""
    own = app if app is not None and app.serves(claim.task) else None
    marker = f"{claim.task.id}.{claim.task.claims}"
    return AttemptFile(
        url=settings.url.get_secret_value(),
        namespace=settings.namespace,
        home=str(settings.home),
        artifacts_url=settings.artifacts_url,
        task=claim.task,
        fence=claim.fence,
        holder=f"{marker}.{os.getpid()}{secrets.token_hex(3)}",
        agent=claim.holder,
        gpus=held,
        visible_gpus=visible(gpus, held),
        host_id=host.host_id,
        boot_id=host.boot_id,
        work=str(settings.home / "attempts" / marker / "work"),
        app=own.reference if own else "",
        app_folder=str(own.folder) if own else "",
    )
