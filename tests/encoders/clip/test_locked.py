"""What is hidden of the reading of locked towers."""

import pytest
import torch
from torch import nn

from kontrast.encoders.clip.locked import hidden, rates
from kontrast.encoders.clip.towers import towers

HALF = {"image": 0.5, "text": 0.5}
CONFIG = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 8, "kontrast_model_name": "small"},
    "text_cfg": {"vocab_size": 20, "context_length": 6, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture
def locked():
    made = towers(CONFIG, seed=0)
    made.lock("image")
    return made.train()


def test_the_reading_of_a_locked_tower_is_hidden_in_part_and_the_other_tower_is_left_alone(locked):
    pixels, ids, key = torch.rand(5, 3, 8, 8), torch.ones(5, 6, dtype=torch.int64), (0, 3, torch.arange(5))
    assert rates(locked, image=0.5, text=0.0) == {"image": 0.5, "text": 0.0}
    for asked in ({"text": 0.5}, {"image": 1.0}):
        with pytest.raises(ValueError, match="drop"):
            rates(locked, **asked)
    seen = hidden(locked, {"image": pixels, "text": ids}, HALF, key)
    read = locked.visual.read(pixels)
    gone = seen["image"] == 0
    torch.testing.assert_close(seen["image"][~gone], 2 * read[~gone])
    assert 0.4 < gone[read != 0].float().mean() < 0.6 and seen["text"] is ids
    torch.testing.assert_close(hidden(locked, {"image": read}, HALF, key)["image"], seen["image"])
    locked.eval()
    assert hidden(locked, {"image": pixels}, HALF, key)["image"] is pixels


def test_a_mask_is_of_seed_step_and_sample_and_not_of_the_batch(locked):
    read, ids = torch.ones(6, 128), torch.arange(6)
    whole = hidden(locked, {"image": read}, HALF, (0, 3, ids))["image"]
    part = hidden(locked, {"image": read[2:4]}, HALF, (0, 3, ids[2:4]))["image"]
    assert torch.equal(whole[2:4], part)
    for other in ((1, 3, ids), (0, 4, ids)):
        assert not torch.equal(whole, hidden(locked, {"image": read}, HALF, other)["image"])


def test_only_the_projection_of_a_locked_tower_learns(locked):
    seen = hidden(locked, {"image": torch.rand(4, 3, 8, 8)}, HALF, (0, 0, torch.arange(4)))["image"]
    locked(seen).square().sum().backward()
    got = {name for name, parameter in locked.named_parameters() if parameter.grad is not None}
    assert got == {"visual.head.proj.weight"} and isinstance(locked.visual.trunk, nn.Module)
