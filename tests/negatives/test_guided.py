"""A guide's keys: the batch's own rows, and zeros for what the guide did not see."""

import torch

from kontrast.negatives import parsed
from kontrast.negatives.guided import source


def test_keys_that_the_guide_did_not_see_are_left_alone():
    made = source(parsed("guide:runs/x+margin:0.2"), 8, "cosine", 0)
    seen = torch.eye(3)
    guide = made.guide(seen, 2)
    assert guide.margin == 0.2 and guide.key_KG.shape == (5, 3)
    assert torch.equal(guide.key_KG[:3], seen) and not guide.key_KG[3:].any()
    limits = guide.limits(seen, slice(0, 3))
    out = limits.query_QG @ limits.key_KG.T > limits.limit_Q[:, None]
    assert torch.equal(out[:, :3], torch.eye(3, dtype=torch.bool)) and not out[:, 3:].any()
    assert source(parsed("queue:8"), 8, "cosine", 0) is None
