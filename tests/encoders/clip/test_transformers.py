"""CLIP's transformer blocks: causal or not, QuickGELU, and attention as torch has it."""

import torch
from torch import nn

from kontrast import keyed
from kontrast.encoders.clip.transformers import Attention, Blocks, QuickGELU


def drawn(*shape):
    return torch.randn(shape, generator=keyed.generator("clip blocks", *shape), dtype=torch.float64)


def test_attention_is_torchs():
    ours, theirs = Attention(8, 2).double(), nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    x = drawn(3, 5, 8)
    mask = torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1)
    for causal, asked in ((False, None), (True, mask)):
        torch.testing.assert_close(ours(x, causal), theirs(x, x, x, attn_mask=asked, need_weights=False)[0])


def test_a_causal_stack_sees_no_later_token():
    for causal in (True, False):
        stack = Blocks(8, 2, 2, mlp_ratio=2, activation=nn.GELU(), eps=1e-5, causal=causal).double()
        x = drawn(1, 6, 8)
        later = x.clone()
        later[:, 4] = drawn(8)
        same = torch.isclose(stack(x), stack(later)).all(-1)[0].tolist()
        assert same == [causal] * 4 + [False] * 2


def test_quick_gelu_is_openais():
    x = drawn(50)
    torch.testing.assert_close(QuickGELU()(x), x * torch.sigmoid(1.702 * x))
    assert (QuickGELU()(x) - nn.GELU()(x)).abs().max() > 0.005
