"""A ``libnvidia-ml.so.1`` made by the test: cards with names, memory and processes, read from a file.

The file holds one line a card: ``<bytes of memory in use> <pid or 0>``. Changing it changes the cards.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process_t;
static int cards(void) { return atoi(getenv("FAKE_NVML_COUNT")); }
static void state(long card, unsigned long long *used, unsigned int *pid) {
  *used = 1048576; *pid = 0;
  FILE *file = fopen(getenv("FAKE_NVML_STATE"), "r");
  if (!file) return;
  for (long line = 0; line <= card; line++)
    if (fscanf(file, "%llu %u", used, pid) != 2) { *used = 1048576; *pid = 0; break; }
  fclose(file);
}
int nvmlInitWithFlags(unsigned int flags) { char *code = getenv("FAKE_NVML_INIT"); return code ? atoi(code) : 0; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "fake error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = cards(); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
  if ((int)index >= cards()) return 2;
  *handle = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
  *handle = (void *)(atol(uuid + 9) + 1); return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned int length) {
  snprintf(text, length, "GPU-fake-%ld", (long)handle - 1); return 0; }
int nvmlDeviceGetName(void *handle, char *text, unsigned int length) {
  snprintf(text, length, "Fake H100"); return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, memory_t *memory) {
  unsigned int pid;
  memory->total = 85899345920ULL; state((long)handle - 1, &memory->used, &pid);
  memory->free = memory->total - memory->used; return 0; }
int nvmlDeviceGetUtilizationRates(void *handle, utilization_t *rates) { rates->gpu = 42; rates->memory = 7; return 0; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *value) { *value = 55; return 0; }
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *value) { *value = 123000; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, process_t *found) {
  unsigned long long used; unsigned int pid;
  state((long)handle - 1, &used, &pid);
  if (!pid) { *count = 0; return 0; }
  if (*count < 1) { *count = 1; return 7; }
  memset(found, 0, sizeof *found); found->pid = pid; found->used = used; *count = 1; return 0; }
"""


def compiler() -> str | None:
    """A C compiler, if this machine has one."""
    return shutil.which("gcc") or shutil.which("cc")


class FakeNvml:
    """The library in a folder, and the state of its cards."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "fake.c"
        source.write_text(SOURCE)
        name = "libnvidia-ml.so.1"
        compile_it = [compiler() or "cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}"]
        subprocess.run([*compile_it, "-o", str(folder / name), str(source)], check=True)
        self.folder, self.count, self.state = folder, count, folder / "state"

    @property
    def environ(self) -> dict[str, str]:
        """For a process that is to see these cards."""
        return {
            "LD_LIBRARY_PATH": str(self.folder),
            "FAKE_NVML_COUNT": str(self.count),
            "FAKE_NVML_STATE": str(self.state),
        }

    def set(self, *cards: tuple[int, int]) -> None:
        """Memory in use (bytes) and pid (0: none) of each card, at once."""
        draft = self.state.with_suffix(".new")
        draft.write_text("".join(f"{used} {pid}\n" for used, pid in cards))
        draft.replace(self.state)
