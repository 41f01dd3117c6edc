"""The machine's GPUs as NVML sees them. Without NVML, indices stand in for UUIDs when they were asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearq.agent.options import GpuChoice
from clearq.errors import UsageError

log = logging.getLogger("clearq.agent.gpus")

#: A card with less memory in use than this (bytes) and no compute process is clean.
MEMORY_FLOOR = 512 * 2**20

#: UUID of GPU n where NVML cannot tell the real one.
PSEUDO = "index:"


@dataclass(frozen=True)
class Gpu:
    """One card."""

    index: int
    uuid: str
    name: str = ""
    memory: int | None = None  #: bytes

    @property
    def real(self) -> bool:
        """NVML knows it."""
        return not self.uuid.startswith(PSEUDO)


@dataclass(frozen=True)
class Usage:
    """What happens on a card now; ``None``: the driver does not say."""

    memory_used: int | None = None  #: bytes
    processes: tuple[int, ...] = ()  #: pids that compute on it
    utilization: int | None = None  #: percent
    temperature: int | None = None  #: degrees Celsius
    power: float | None = None  #: watts

    @property
    def clean(self) -> bool:
        """Nothing computes on it and its memory is given back."""
        return not self.processes and (self.memory_used or 0) < MEMORY_FLOOR


@dataclass
class Nvml:
    """NVML, loaded when first asked. Every question is answered from the driver, nothing is cached."""

    _library: Any = None
    _failure: str = ""
    _handles: dict[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """Why NVML cannot be used; empty when it can."""
        self._open()
        return self._failure

    def gpus(self) -> list[Gpu]:
        """All cards of the machine, in NVML's order; none without NVML."""
        library = self._open()
        if library is None:
            return []
        found = []
        for index in range(library.nvmlDeviceGetCount()):
            handle = library.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(library.nvmlDeviceGetUUID(handle))
            self._handles[uuid] = handle
            memory = self._try(library.nvmlDeviceGetMemoryInfo, handle)
            name = self._try(library.nvmlDeviceGetName, handle)
            found.append(Gpu(index, uuid, _text(name or ""), int(memory.total) if memory else None))
        return found

    def usage(self, uuid: str) -> Usage:
        """What happens on that card. A card that NVML does not know is idle."""
        library = self._open()
        if library is None or uuid.startswith(PSEUDO):
            return Usage()
        if uuid not in self._handles:
            handle = self._try(library.nvmlDeviceGetHandleByUUID, uuid)
            if handle is None:
                return Usage()
            self._handles[uuid] = handle
        handle = self._handles[uuid]
        memory = self._try(library.nvmlDeviceGetMemoryInfo, handle)
        rates = self._try(library.nvmlDeviceGetUtilizationRates, handle)
        power = self._try(library.nvmlDeviceGetPowerUsage, handle)
        return Usage(
            memory_used=int(memory.used) if memory else None,
            processes=tuple(
                int(process.pid) for process in self._try(library.nvmlDeviceGetComputeRunningProcesses, handle) or ()
            ),
            utilization=int(rates.gpu) if rates else None,
            temperature=self._try(library.nvmlDeviceGetTemperature, handle, library.NVML_TEMPERATURE_GPU),
            power=power / 1000 if power is not None else None,
        )

    def _open(self) -> Any:
        if self._library is None and not self._failure:
            try:
                import pynvml

                pynvml.nvmlInit()
            except ImportError as error:
                self._failure = str(error)
            except pynvml.NVMLError as error:
                self._failure = str(error)
            else:
                self._library = pynvml
        return self._library

    def _try(self, function: Any, *arguments: Any) -> Any:
        """The driver's answer; ``None`` where this card or driver does not offer it."""
        try:
            return function(*arguments)
        except self._library.NVMLError:
            return None


def choose(choice: GpuChoice, nvml: Nvml) -> tuple[Gpu, ...]:
    """The cards of an agent. Raises UsageError for an index that the machine does not have.

    Without NVML, indices that were named are believed (with a warning); nobody can then see
    whether such a card is in use.
    """
    if choice.kind == "none":
        return ()
    found = {gpu.index: gpu for gpu in nvml.gpus()}
    if choice.kind in ("auto", "all"):
        if not found and choice.kind == "all":
            raise UsageError(f"--gpus all: no GPU was found ({nvml.failure or 'NVML lists none'}); use --cpu-only")
        return tuple(found.values())
    if nvml.failure:
        log.warning(
            "NVML cannot be used (%s): GPUs %s are taken as they were named, and not watched",
            nvml.failure,
            choice.text,
        )
        return tuple(Gpu(index, f"{PSEUDO}{index}") for index in choice.indices)
    missing = [index for index in choice.indices if index not in found]
    if missing:
        raise UsageError(
            f"--gpus {choice.text}: this machine has no GPU {', '.join(map(str, missing))};"
            f" it has {_listed(list(found.values()))}"
        )
    return tuple(found[index] for index in choice.indices)


def visible(gpus: Sequence[Gpu], uuids: Sequence[str]) -> str:
    """``CUDA_VISIBLE_DEVICES`` for those cards: their indices, in order; empty hides all."""
    by_uuid: Mapping[str, Gpu] = {gpu.uuid: gpu for gpu in gpus}
    return ",".join(str(by_uuid[uuid].index) for uuid in uuids if uuid in by_uuid)


def _listed(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.index} ({gpu.name})" if gpu.name else str(gpu.index) for gpu in gpus) or "none"


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
