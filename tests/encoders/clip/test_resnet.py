"""CLIP's own ResNet: each block begins as its shortcut, and the pool asks with the mean of the map."""

import torch
from torch import nn

from kontrast.encoders.clip.resnet import AttentionPool, Bottleneck, ModifiedResNet


def test_a_block_whose_last_norm_is_zero_is_its_shortcut():
    net = ModifiedResNet(32, 8, [2, 1], heads=2, embed=5).eval()
    blocks = [block for block in net.modules() if isinstance(block, Bottleneck)]
    assert len(blocks) == 3 and all(not block.bn3.weight.any() for block in blocks)
    x = torch.rand(2, 32, 4, 4)
    assert torch.equal(net.layer1[1](x), x)


def test_strides_are_taken_by_a_pool_and_not_by_a_convolution():
    block = Bottleneck(8, 4, stride=2)
    assert {conv.stride for conv in block.modules() if isinstance(conv, nn.Conv2d)} == {(1, 1)}
    assert block(torch.rand(1, 8, 6, 6)).shape == (1, 16, 3, 3)


def test_without_positions_the_pool_does_not_see_where_things_are():
    pool = AttentionPool(3, 8, 2, 5)
    x = torch.rand(2, 8, 3, 3)
    moved = x.flatten(2)[:, :, torch.tensor([8, 1, 2, 3, 4, 5, 6, 7, 0])].unflatten(2, (3, 3))
    assert not torch.allclose(pool(x), pool(moved), atol=1e-5)
    nn.init.zeros_(pool.positional_embedding)
    torch.testing.assert_close(pool(x), pool(moved))
