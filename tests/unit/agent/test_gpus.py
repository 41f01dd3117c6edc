"""Which cards an agent gets, and the locks that guard them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from clearq.agent.gpu_locks import GpuLocks, is_locked, lock_folder
from clearq.agent.gpus import Gpu, Nvml, Usage, choose, visible
from clearq.agent.options import GpuChoice
from clearq.errors import UsageError

CARDS = [Gpu(0, "GPU-a", "H100"), Gpu(1, "GPU-b", "H100")]


class Machine(Nvml):
    """A machine with these cards, or with a driver that fails."""

    def __init__(self, cards: list[Gpu], failure: str = "") -> None:
        super().__init__()
        self._cards, self._why = cards, failure

    @property
    def failure(self) -> str:
        return self._why

    def gpus(self) -> list[Gpu]:
        return self._cards


def test_all_there_are_unless_told_otherwise():
    assert choose(GpuChoice("auto"), Machine(CARDS)) == tuple(CARDS)
    assert choose(GpuChoice("all"), Machine(CARDS)) == tuple(CARDS)
    assert choose(GpuChoice("list", (1,)), Machine(CARDS)) == (CARDS[1],)
    assert choose(GpuChoice("none"), Machine(CARDS)) == ()
    assert choose(GpuChoice("auto"), Machine([], "no driver")) == ()


def test_cards_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match=r"no GPU 2, 3; it has 0 \(H100\), 1 \(H100\)"):
        choose(GpuChoice("list", (1, 2, 3)), Machine(CARDS))
    with pytest.raises(UsageError, match="no driver"):
        choose(GpuChoice("all"), Machine([], "no driver"))


def test_without_nvml_named_indices_are_believed_with_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("clearq"), "propagate", True)
    found = choose(GpuChoice("list", (0, 3)), Machine([], "no driver"))
    assert [gpu.uuid for gpu in found] == ["index:0", "index:3"]
    assert not found[0].real
    assert "no driver" in caplog.text
    assert visible(found, ["index:0", "index:3"]) == "0,3"


def test_visible_devices_follow_the_allocation():
    assert visible(CARDS, ["GPU-b"]) == "1"
    assert visible(CARDS, []) == ""


def test_clean_is_no_process_and_little_memory():
    assert Usage().clean
    assert Usage(memory_used=100 * 2**20).clean
    assert not Usage(memory_used=600 * 2**20).clean
    assert not Usage(memory_used=0, processes=(1,)).clean


def test_a_card_is_locked_for_one_only(tmp_path: Path):
    held = GpuLocks.take(["GPU-a", "GPU-b"], tmp_path)
    assert held is not None
    assert GpuLocks.take(["GPU-b"], tmp_path) is None
    assert is_locked("GPU-a", tmp_path) and not is_locked("GPU-c", tmp_path)
    held.close()
    assert not is_locked("GPU-b", tmp_path)


def test_all_or_none(tmp_path: Path):
    held = GpuLocks.take(["GPU-b"], tmp_path)
    assert held is not None
    assert GpuLocks.take(["GPU-a", "GPU-b"], tmp_path) is None
    assert not is_locked("GPU-a", tmp_path), "what was taken before the refusal is given back"


def test_a_copy_of_the_lock_holds_on_when_the_first_holder_is_gone(tmp_path: Path):
    held = GpuLocks.take(["GPU-a"], tmp_path)
    assert held is not None
    copy = os.dup(held.descriptors[0])
    held.close()
    assert is_locked("GPU-a", tmp_path)
    os.close(copy)
    assert not is_locked("GPU-a", tmp_path)


def test_a_lock_file_never_follows_a_link_and_stays_in_its_folder(tmp_path: Path):
    target = tmp_path / "target"
    (tmp_path / "clearq-gpu-GPU-a.lock").symlink_to(target)
    with pytest.raises(OSError):
        GpuLocks.take(["GPU-a"], tmp_path)
    assert not target.exists()
    held = GpuLocks.take(["../../x/y"], tmp_path)
    assert held is not None
    held.close()
    assert {path.parent for path in tmp_path.iterdir()} == {tmp_path}
    assert (tmp_path / "clearq-gpu-______x_y.lock").stat().st_mode & 0o777 == 0o644


def test_the_folder_of_the_locks_can_be_named(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("CLEARQ_GPU_LOCKS", str(tmp_path))
    assert lock_folder() == tmp_path
    monkeypatch.delenv("CLEARQ_GPU_LOCKS")
    assert os.access(lock_folder(), os.W_OK)
