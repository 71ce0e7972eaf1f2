"""Checkpoints: what is saved comes back bit for bit; what was touched is refused; a full disk harms nothing."""

import errno
import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kontrast.training import checkpoints

TENSORS = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "ids": torch.tensor([3, 2**40]),
    "nothing": torch.zeros(0, 4),
    "scalar": torch.tensor(7.0, dtype=torch.float64),
    "strided": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
}


def alter(path, change, repair):
    """Change tensors or state of a checkpoint, with its hash repaired or left."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = json.loads(metadata["state"])
    change(tensors, state)
    text = json.dumps(state, sort_keys=True)
    kept = checkpoints.digest(tensors, text) if repair else metadata["hash"]
    save_file(tensors, path, metadata={"state": text, "hash": kept})


def test_everything_comes_back(tmp_path):
    checkpoints.save(tmp_path, TENSORS, {"step": 5, "deep": {"a": [1, 2.5, None]}})
    tensors, state, refused = checkpoints.newest(tmp_path)
    assert state == {"step": 5, "deep": {"a": [1, 2.5, None]}} and refused == []
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor)


def test_the_last_two_are_kept_and_the_newest_goes_by_step_not_by_clock(tmp_path):
    import os

    for step in (10, 9, 100, 30):
        path = checkpoints.save(tmp_path, TENSORS, {"step": step})
        os.utime(path, (0, 10_000_000 - step))
    assert [p.name for p in checkpoints.found(tmp_path)] == ["step-000000030.safetensors", "step-000000100.safetensors"]
    assert checkpoints.newest(tmp_path)[1]["step"] == 100


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, state: tensors["weights"].add_(1e-7),
        lambda tensors, state: tensors.pop("ids"),
        lambda tensors, state: tensors.update(ids=tensors["ids"].to(torch.int32)),
        lambda tensors, state: state.update(step=6),
    ],
    ids=["value", "missing", "dtype", "state"],
)
def test_an_altered_one_is_refused_and_the_one_before_taken(tmp_path, change):
    checkpoints.save(tmp_path, TENSORS, {"step": 4})
    alter(checkpoints.save(tmp_path, TENSORS, {"step": 5}), change, repair=False)
    _, state, refused = checkpoints.newest(tmp_path)
    assert state["step"] == 4
    assert len(refused) == 1 and "step-000000005" in refused[0] and "hash" in refused[0]


def test_one_that_was_cut_anywhere_is_refused(tmp_path):
    checkpoints.save(tmp_path, TENSORS, {"step": 4})
    path = checkpoints.save(tmp_path, TENSORS, {"step": 5})
    whole = path.read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        _, state, refused = checkpoints.newest(tmp_path)
        assert state["step"] == 4 and len(refused) == 1


def test_none_usable_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no usable checkpoint"):
        checkpoints.newest(tmp_path)


def test_a_full_disk_leaves_the_old_ones_and_no_part(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, TENSORS, {"step": 4})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(tmp_path, TENSORS, {"step": 5})
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000004.safetensors"]
