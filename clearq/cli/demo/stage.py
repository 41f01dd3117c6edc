"""Where the demo plays: a home of its own, a git repository, real agent processes; and its cleaning up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import psutil
from pydantic import SecretStr

from clearq.cli.demo.trials import QUEUES, Source
from clearq.errors import ClearqError, EnvironmentFailed
from clearq.settings import Settings
from clearq.storage import embedded

_AGENT = ("agent", "daemon", "--foreground", "--cpu-only")

#: Seconds that an agent gets to end after SIGTERM.
_PATIENCE = 10.0
#: Seconds that what is still there gets to end by itself, round by round: a killed one may have begun another.
_ROUNDS = (3.0, 0.2, 0.2, 0.2, 0.2)


class Stage:
    """The demo's folder, repository and processes. ``close`` ends every process that was started here."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = Path(tempfile.mkdtemp(prefix="clearq-demo-"))
        self.home = self.folder / "home"
        self.settings = Settings(home=self.home, url=SecretStr(""), namespace="clearq", artifacts_url="")
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        output.mkdir(parents=True, exist_ok=True)

    def make_repository(self) -> Source:
        """Commit the small training project into a git repository of its own."""
        repository = self.folder / "digits"
        with as_file(files("clearq.cli.demo") / "project") as project:
            shutil.copytree(project, repository, ignore=shutil.ignore_patterns("__pycache__"))
        who = ["-c", "user.name=clearq demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
        self._git(repository, "init", "--quiet", "--initial-branch=main")
        self._git(repository, "add", ".")
        self._git(repository, *who, "commit", "--quiet", "--message", "A small real training project")
        return Source(str(repository), "main", self._git(repository, "rev-parse", "HEAD"))

    @staticmethod
    def _git(repository: Path, *words: str) -> str:
        try:
            done = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, text=True, check=True)
        except FileNotFoundError:
            raise EnvironmentFailed("git is missing; install it, then run the demo again") from None
        except subprocess.CalledProcessError as error:
            raise EnvironmentFailed(f"git {words[-1]} failed: {error.stderr.strip()}") from None
        return done.stdout.strip()

    def start_agent(self, label: str) -> int:
        """Start a real agent that serves both queues, the urgent one first. Returns its process id."""
        with (self.output / f"{label}.log").open("wb") as log:
            self.agents[label] = subprocess.Popen(
                [sys.executable, "-m", "clearq", *_AGENT, "--queue", *QUEUES],
                env=self.environ(label),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.agents[label].pid

    def environ(self, label: str) -> dict[str, str]:
        """The environment of an agent: this one, without the user's own clearq settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARQ_", "CLEARML_"))}
        return {**kept, "CLEARQ_HOME": str(self.home), "CLEARQ_WORKER_ID": label}

    def kill_agent(self, label: str) -> None:
        """SIGKILL: the agent has no chance to say or save anything."""
        self.agents[label].kill()
        self.agents[label].wait()

    def processes(self) -> list[psutil.Process]:
        """Every living process of this demo: its environment or its arguments name the demo's folder."""
        mark, own, found = str(self.folder), os.getpid(), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid == own or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                words = [*process.environ().values(), *process.cmdline()]
                if any(mark in word for word in words):
                    found.append(process)
        return found

    def _stop_agents(self) -> None:
        for agent in self.agents.values():
            agent.terminate()
        for agent in self.agents.values():
            try:
                agent.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()

    async def close(self, *, keep: bool = False) -> list[str]:
        """End agents, tasks and server. What had to be killed is returned: there should be nothing."""
        await asyncio.to_thread(self._stop_agents)
        server = await embedded.find(self.settings)
        left = await asyncio.to_thread(self._sweep, server.pid if server else None)
        with contextlib.suppress(ClearqError):
            await embedded.stop(self.settings)
        left += await asyncio.to_thread(self._sweep, None)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return left

    def _sweep(self, spared: int | None) -> list[str]:
        """Kill what does not end by itself, until nothing new appears."""
        killed: list[str] = []
        for patience in _ROUNDS:
            found = [process for process in self.processes() if process.pid != spared]
            if not found:
                break
            _, alive = psutil.wait_procs(found, timeout=patience)
            for process in alive:
                with contextlib.suppress(psutil.Error):
                    killed.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
                    process.kill()
        return killed
