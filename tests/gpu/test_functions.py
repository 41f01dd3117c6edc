"""A function that needs a GPU, on a real card: it sees the one that its attempt holds and no other."""

from __future__ import annotations

import ctypes
import importlib
import sys
from pathlib import Path

import pytest

from clearq.engine import Engine
from clearq.settings import Settings
from tests.support.agents import Agents

MODULE = '''
import ctypes

from clearq import Clearq

app = Clearq()


@app.task(gpus=1)
def seen() -> list[str]:
    """UUIDs of the cards that CUDA shows, each with memory that was taken and filled."""
    cuda = ctypes.CDLL("libcuda.so.1")
    count, found = ctypes.c_int(), []
    assert cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
    for index in range(count.value):
        device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
        assert cuda.cuDeviceGet(ctypes.byref(device), index) == 0
        assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
        assert cuda.cuCtxSetCurrent(context) == 0
        assert cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(1 << 20)) == 0
        assert cuda.cuMemsetD8_v2(memory, 7, ctypes.c_size_t(1 << 20)) == 0
        uuid = (ctypes.c_ubyte * 16)()
        assert cuda.cuDeviceGetUuid(uuid, device) == 0
        text = bytes(uuid).hex()
        found.append(f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
    return found
'''


def cards() -> str | None:
    """The CUDA driver's library, where it works."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return "libcuda" if library.cuInit(0) == 0 else None


@pytest.mark.gpu
async def test_a_function_sees_its_card_and_no_other(
    engine: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cards() is None:
        pytest.skip("no NVIDIA GPU with its driver")
    (tmp_path / "on_card.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("on_card")
    module.app.settings = settings
    agents = Agents(settings, engine)
    try:
        async with module.app:
            handle = await module.seen.enqueue()
            await agents.start("--gpus", "0", "--app", "on_card:app", PYTHONPATH=str(tmp_path))
            (card,) = (await engine.workers.list())[0].info.gpus
            assert await handle.result(60) == [card]
    finally:
        agents.close()
        del sys.modules["on_card"]
