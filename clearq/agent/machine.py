"""Machine metrics for heartbeats and tasks: percentages, bytes a second, degrees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from clearq.agent.gpus import Gpu, Nvml


class MachineMeter:
    """Reads the machine's load. The first reading has no rates yet: they are counted from one to the next."""

    def __init__(self, home: Path, gpus: Sequence[Gpu] = (), nvml: Nvml | None = None) -> None:
        self._home, self._gpus, self._nvml = home, tuple(gpus), nvml
        self._before: tuple[float, dict[str, int]] | None = None
        psutil.cpu_percent()

    def read(self) -> dict[str, float]:
        """One reading. ``cpu``, ``memory``, ``disk``, ``gpu``, ``gpu_memory``: percent; ``*_bytes``: a second."""
        disk = psutil.disk_usage(str(self._home if self._home.exists() else Path("/")))
        values = {
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "disk": disk.percent,
            "disk_free": float(disk.free),
        }
        values.update(self._rates())
        values.update(self._cards())
        return values

    def _rates(self) -> dict[str, float]:
        now, counts = time.monotonic(), _counters()
        before, self._before = self._before, (now, counts)
        if before is None or now <= before[0]:
            return {}
        span = now - before[0]
        return {name: max(0.0, (counts[name] - before[1].get(name, 0)) / span) for name in counts}

    def _cards(self) -> dict[str, float]:
        if self._nvml is None or not self._gpus:
            return {}
        values: dict[str, float] = {}
        for gpu in self._gpus:
            usage = self._nvml.usage(gpu.uuid)
            shown = {
                "utilization": usage.utilization,
                "memory": _percent(usage.memory_used, gpu.memory),
                "temperature": usage.temperature,
                "power": usage.power,
            }
            values.update(
                (f"gpu{gpu.index}_{name}", float(value)) for name, value in shown.items() if value is not None
            )
        for name, part in (("gpu", "_utilization"), ("gpu_memory", "_memory")):
            of_cards = [value for key, value in values.items() if key.endswith(part)]
            if of_cards:
                values[name] = sum(of_cards) / len(of_cards)
        return values


def _counters() -> dict[str, int]:
    net, disk = psutil.net_io_counters(), psutil.disk_io_counters()
    counts = {"net_sent_bytes": net.bytes_sent, "net_received_bytes": net.bytes_recv} if net else {}
    if disk:
        counts |= {"disk_read_bytes": disk.read_bytes, "disk_write_bytes": disk.write_bytes}
    return counts


def _percent(part: int | None, whole: int | None) -> float | None:
    return 100 * part / whole if part is not None and whole else None
