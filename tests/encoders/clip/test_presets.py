"""The sizes of CLIP's paper, and what is no size."""

import pytest

from kontrast.encoders.clip.presets import model_cfg
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


def test_what_is_not_built_is_refused_by_name():
    with pytest.raises(Unfit, match="attentional_pool"):
        towers({**CONFIGS["vit"], "vision_cfg": {**VIT, "attentional_pool": True}}, seed=0)
    with pytest.raises(Unfit, match="multimodal_cfg"):
        towers({**CONFIGS["vit"], "multimodal_cfg": {"width": 8}}, seed=0)
    with pytest.raises(Unfit, match="no image tower 'nonsense'"):
        model_cfg("nonsense", "small", image_size=32, vocab_size=9, own_words=True)


def test_presets_of_the_paper_have_the_published_shapes():
    peer = pytest.importorskip("open_clip", reason="open_clip is not installed")
    for name in ("RN50", "ViT-B-32", "ViT-L-14"):
        published = peer.get_model_config(name)
        ours = model_cfg(name, "clip", image_size=224, vocab_size=49408, own_words=False)
        assert ours == {
            **published,
            "vision_cfg": {**published["vision_cfg"], "patch_size": ours["vision_cfg"]["patch_size"]},
        }
