"""The services of a deployment: reclaims what the dead held, starts what is due, keeps the history.

Agents do this too; this process does it where no agent runs, or none may be trusted to stay.
"""

from __future__ import annotations

import asyncio

from clearq.processes import run_services
from clearq.settings import Settings
from clearq.telemetry import configure_logging


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    configure_logging(settings.log_level)
    asyncio.run(run_services(settings))


if __name__ == "__main__":
    main()
