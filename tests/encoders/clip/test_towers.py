"""CLIP's towers against open_clip's with the same weights; masks, locks and keyed weights."""

import copy

import pytest
import torch

from kontrast.encoders.clip.towers import towers
from kontrast.errors import Unfit

TEXT = {"context_length": 12, "vocab_size": 99, "width": 48, "heads": 4, "layers": 2}


VIT = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}


RESNET = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 16, "head_width": 32, "patch_size": None}


CONFIGS = {
    "vit": {"embed_dim": 32, "vision_cfg": VIT, "text_cfg": TEXT},
    "vit-quick": {"embed_dim": 32, "vision_cfg": VIT, "text_cfg": TEXT, "quick_gelu": True},
    "vit-average": {
        "embed_dim": 32,
        "vision_cfg": {**VIT, "pool_type": "avg", "no_ln_pre": True, "final_ln_after_pool": True},
        "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
    },
    "resnet": {"embed_dim": 32, "vision_cfg": RESNET, "text_cfg": TEXT},
    "timm": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
        "text_cfg": TEXT,
    },
}


def inputs(config, dtype):
    g = torch.Generator().manual_seed(0)
    size = config["vision_cfg"]["image_size"]
    return torch.randn(6, 3, size, size, generator=g, dtype=dtype), torch.randint(1, 99, (6, 12), generator=g)


def perturbed(model):
    """Weights away from their beginning, so that no zero or one hides a mistake."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=g, dtype=torch.float32).to(parameter.dtype)
    return model


def logits_and_gradients(image, text, scale, model):
    unit = torch.nn.functional.normalize
    logits = scale * unit(image, dim=1) @ unit(text, dim=1).T
    place = torch.arange(len(logits))
    loss = torch.nn.functional.cross_entropy(logits, place) + torch.nn.functional.cross_entropy(logits.T, place)
    loss.backward()
    return logits.detach(), {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("dtype, limit", [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_and_gradients_are_those_of_open_clip(name, dtype, limit):
    peer = pytest.importorskip("open_clip.model", reason="open_clip is not installed")
    config = CONFIGS[name]
    ours = perturbed(towers(config, seed=0)).to(dtype).train()
    theirs = peer.CustomTextCLIP(**copy.deepcopy(config)).to(dtype).train()
    theirs.load_state_dict(ours.state_dict())
    pixels, ids = inputs(config, dtype)
    mine = logits_and_gradients(ours(pixels), ours.encode_text(ids), ours.logit_scale.exp(), ours)
    want = logits_and_gradients(theirs.encode_image(pixels), theirs.encode_text(ids), theirs.logit_scale.exp(), theirs)
    assert (mine[0] - want[0]).abs().max() <= limit * want[0].abs().max()
    assert mine[1].keys() == want[1].keys()
    norm = sum(float(gradient.square().sum()) for gradient in want[1].values()) ** 0.5
    for parameter, gradient in want[1].items():
        assert (mine[1][parameter] - gradient).norm() <= limit * norm, parameter


def test_padding_after_the_end_of_text_changes_nothing():
    model = towers(CONFIGS["vit"], seed=0).double().eval()
    ids = torch.tensor([[97, 5, 6, 98, 0, 0, 0, 0]])
    assert model.text.cuttable
    torch.testing.assert_close(model.encode_text(ids), model.encode_text(ids[:, :4]), rtol=0, atol=1e-14)
    assert (model.encode_text(ids) - model.encode_text(torch.tensor([[97, 6, 5, 98]]))).abs().max() > 1e-6
    assert not towers(CONFIGS["vit-average"], seed=0).text.cuttable


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    first, again, other = (towers(CONFIGS["resnet"], seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["text.token_embedding.weight"], other["text.token_embedding.weight"])
    assert float(first["logit_scale"].exp()) == pytest.approx(1 / 0.07)


def test_a_locked_tower_stands_still():
    model = towers(CONFIGS["timm"], seed=0)
    model.lock("image")
    model.train()
    buffers = copy.deepcopy(dict(model.visual.trunk.named_buffers()))
    pixels, ids = inputs(CONFIGS["timm"], torch.float32)
    (model(pixels).sum() + model.encode_text(ids).sum()).backward()
    assert all(p.grad is None for p in model.visual.trunk.parameters())
    assert model.visual.head.proj.weight.grad is not None and model.text.text_projection.grad is not None
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.visual.trunk.named_buffers())
    with pytest.raises(Unfit, match="sound"):
        model.lock("sound")
