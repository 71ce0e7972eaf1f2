"""open_clip folders both ways: theirs read by us, ours read by them where kontrast cannot be imported."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.exchange.towers import CAPTIONS, FOREIGN, LOOK, needs_peer, small, with_bert

from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.towers import towers
from kontrast.errors import Unfit
from kontrast.exchange import open_clip as folders

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


@needs_peer
def test_our_folders_give_open_clip_the_same_vectors_without_kontrast(tmp_path):
    words = bpe.learned(CAPTIONS * 3, context=16)
    tiny = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32}
    resnet = small(words, vision_cfg=tiny)
    models = {"own": resnet, "timm": small(words, "test_resnet"), "bert": with_bert(words, tmp_path)}
    for name, model in models.items():
        folders.write(tmp_path / name, model, words, LOOK)
    pixels = np.random.default_rng(0).standard_normal((3, 3, 32, 32), dtype=np.float32)
    np.save(tmp_path / "pixels.npy", pixels)
    places = [str(tmp_path / name) for name in models]
    subprocess.run([sys.executable, "-c", FOREIGN, json.dumps(CAPTIONS), *places], check=True, capture_output=True)
    for name, model in models.items():
        found = np.load(tmp_path / name / "found.npz")
        with torch.no_grad():
            image, text = model(torch.from_numpy(pixels)).numpy(), model.encode_text(words(CAPTIONS)).numpy()
        np.testing.assert_allclose(found["image"], image, rtol=0, atol=1e-5)
        np.testing.assert_allclose(found["text"], text, rtol=0, atol=1e-5)
        assert found["scale"] == pytest.approx(float(model.logit_scale.detach().exp()))
        look = json.loads((tmp_path / name / "open_clip_config.json").read_text())["preprocess_cfg"]
        assert look["mean"] == list(LOOK.mean) and look["std"] == list(LOOK.std)
        again = folders.read(tmp_path / name)
        assert torch.equal(again.towers.encode_text(words(CAPTIONS)), model.encode_text(words(CAPTIONS)))


@needs_peer
@pytest.mark.parametrize("kind", ["CLIP", "CustomTextCLIP"])
def test_a_folder_of_theirs_gives_us_the_same_vectors(tmp_path, kind):
    from open_clip import SimpleTokenizer
    from open_clip import model as peer

    vision = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, "quick_gelu": True}
    theirs = getattr(peer, kind)(**copy.deepcopy(config)).eval()
    extra = {"custom_text": True} if kind == "CustomTextCLIP" else {}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {**config, **extra}, "preprocess_cfg": {}})
    )
    save_file(theirs.state_dict(), tmp_path / "open_clip_model.safetensors")
    ours = folders.read(tmp_path)
    ids = SimpleTokenizer(context_length=20)(CAPTIONS)
    assert torch.equal(ours.captions(CAPTIONS, full=True), ids)
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.towers(pixels), theirs.encode_image(pixels), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.towers.encode_text(ids), theirs.encode_text(ids), rtol=0, atol=1e-6)


@needs_peer
@pytest.mark.parametrize("layers", [2, [1, 1, 2, 1]])
def test_openais_state_dict_is_read_by_its_shapes(tmp_path, layers):
    from open_clip import model as peer

    vision = {"image_size": 64, "layers": layers, "width": 64, "patch_size": 16 if layers == 2 else None}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
    theirs = peer.CLIP(32, copy.deepcopy(vision), copy.deepcopy(text), quick_gelu=True).eval()
    state = {name: tensor.half().float() for name, tensor in theirs.state_dict().items() if tensor.is_floating_point()}
    state |= {name: t for name, t in theirs.state_dict().items() if not t.is_floating_point()}
    theirs.load_state_dict(state)
    stored = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    stored |= {
        "input_resolution": torch.tensor(64),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    save_file(stored, tmp_path / "clip.safetensors")
    ours = folders.read_openai(tmp_path / "clip.safetensors")
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.towers(pixels), theirs.encode_image(pixels), rtol=0, atol=1e-6)
    ids = ours.captions(CAPTIONS, full=True)
    torch.testing.assert_close(ours.towers.encode_text(ids), theirs.encode_text(ids), rtol=0, atol=1e-6)


def test_written_and_read_again_nothing_has_changed(tmp_path):
    words = bpe.learned(CAPTIONS * 3, context=16)
    model = small(words, init_logit_bias=-10.0)
    folders.write(tmp_path, model, words, LOOK)
    again = folders.read(tmp_path)
    assert again.towers.spec == model.spec and again.look == LOOK
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.towers.state_dict()[name], tensor), name
    assert torch.equal(again.captions(CAPTIONS), words(CAPTIONS))


def test_what_does_not_fit_is_said(tmp_path):
    with pytest.raises(Unfit, match="not an open_clip folder"):
        folders.read(tmp_path)
    words = bpe.learned(CAPTIONS * 3, context=16)
    model = small(words)
    folders.write(tmp_path, model, words, LOOK)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(Unfit, match=r"has no open_clip_model\.safetensors"):
        folders.read(tmp_path)
    state = folders.written(model)
    state.pop("visual.head.proj.weight")
    with pytest.raises(Unfit, match=r"1 are missing \(first: visual.head.proj.weight\)"):
        folders.load(model, state)


def test_interpolation_reproduces_both_ends_to_the_bit():
    words = bpe.learned(CAPTIONS * 3, context=16)
    start, end = small(words).state_dict(), towers(small(words).spec, seed=9).state_dict()
    for share, want in ((0.0, start), (1.0, end)):
        mixed = folders.interpolated(start, end, share)
        assert all(torch.equal(mixed[name], want[name]) for name in want)
    half = folders.interpolated(start, end, 0.5)["visual.trunk.0.weight"]
    torch.testing.assert_close(half, (start["visual.trunk.0.weight"] + end["visual.trunk.0.weight"]) / 2)
    with pytest.raises(ValueError, match="between 0"):
        folders.interpolated(start, end, 1.5)
