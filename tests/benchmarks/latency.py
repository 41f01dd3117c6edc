"""From enqueue to the first line of the user's code."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from clearq.models.task import TaskSpec
from tests.benchmarks.common import Place, Row, script_spec

_FIRST_LINE = "import time; print(time.time())\n"

#: Packages that many projects have, pure Python and compiled.
COMMON = [
    "attrs",
    "certifi",
    "charset-normalizer",
    "click",
    "idna",
    "jinja2",
    "markupsafe",
    "numpy",
    "packaging",
    "pandas",
    "pillow",
    "pyparsing",
    "python-dateutil",
    "pyyaml",
    "requests",
    "six",
    "tqdm",
    "typing-extensions",
    "urllib3",
    "wcwidth",
]


async def cached(place: Place, *, short: bool) -> list[Row]:
    """An idle agent and an environment that was built before."""
    spec = script_spec("first_line", _FIRST_LINE, "six\n")
    times = []
    async with place.agent():
        await place.run(spec)
        for _ in range(5 if short else 15):
            times.append(await _until_first_line(place, spec))
            await asyncio.sleep(0.3)  # the agent is idle again
    median, worst = statistics.median(times), max(times)
    return [
        Row(
            "cached environment, idle agent: enqueue to first line",
            f"{median:.2f} s median of {len(times)}, {worst:.2f} s worst",
            "<= 0.50 s median",
            median <= 0.5,
            {"median": median, "worst": worst},
        )
    ]


async def cold(place: Place, *, short: bool) -> list[Row]:
    """An environment that must be built, against uv alone; packages are in uv's own cache for both."""
    packages = COMMON[:5] if short else COMMON
    spec = script_spec("cold", _FIRST_LINE, "\n".join(packages) + "\n")
    await asyncio.to_thread(_uv_alone, place.settings.home / "warm", packages)
    bare, whole = [], []
    async with place.agent():
        for turn in range(1 if short else 5):
            bare.append(await asyncio.to_thread(_uv_alone, place.settings.home / f"uv{turn}", packages))
            await asyncio.to_thread(shutil.rmtree, place.settings.home / "environments", ignore_errors=True)
            whole.append(await _until_first_line(place, spec))
    ratio = statistics.median(whole) / statistics.median(bare)
    return [
        Row(
            f"cold environment of {len(packages)} packages: enqueue to first line",
            f"{statistics.median(whole):.2f} s, uv alone {statistics.median(bare):.2f} s, ratio {ratio:.2f}",
            "ratio <= 1.20" if not short else "",
            ratio <= 1.2 if not short else None,
            {"task": statistics.median(whole), "uv": statistics.median(bare), "ratio": ratio},
        )
    ]


async def _until_first_line(place: Place, spec: TaskSpec) -> float:
    began = time.time()
    task = await place.run(spec)
    return float((await place.printed(task))[0]) - began


def _uv_alone(folder: Path, packages: list[str]) -> float:
    """Seconds that uv takes to make an environment and install ``packages``."""
    uv = str(Path(sys.executable).with_name("uv"))
    environ = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    began = time.monotonic()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], env=environ, check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *packages]
    subprocess.run(install, env=environ, check=True)
    return time.monotonic() - began
