"""Picture models written by timm, transformers, torchvision and open_clip: the same vectors through their own
preprocessing, or a sentence; never others."""

import copy
import json
from functools import partial

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import kontrast
from kontrast import exchange
from kontrast.errors import Unfit
from kontrast.exchange import About, open_clip
from kontrast.preprocessing import Preprocessing

pytestmark = pytest.mark.filterwarnings("ignore")
TINY = ["test_vit", "test_resnet", "test_efficientnet", "test_byobnet", "test_convnext", "test_mambaout"]
OWN = {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.45, 0.4)}


def smooth(height, width, mode="RGB"):
    """Like a photo: waves, with a little noise."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = [np.sin(9 * x + 5 * y + c) + np.cos(7 * y * (1 + c) - 3 * x) for c in range(3)]
    noise = np.random.default_rng(height).normal(0, 4, (height, width, 3))
    pixels = np.clip(np.stack(waves, -1) * 55 + 128 + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


PICTURES = {
    "photo": smooth(75, 100), "square": smooth(64, 64), "narrow": smooth(3, 90), "tall": smooth(210, 40),
    "grey": smooth(80, 60, "L"), "palette": smooth(70, 90, "P"), "opaque": smooth(60, 90, "RGBA"),
    "huge": smooth(1500, 2300), "one bit": smooth(50, 60, "1"), "exact": smooth(32, 32),
}  # fmt: skip


def close(ours, theirs, share=2e-3):
    """Each vector within this share of its norm."""
    distance = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    assert distance.max() < share, dict(zip(PICTURES, distance.round(5)))
    assert np.linalg.norm(theirs - theirs.mean(0), axis=1).min() > 0  # they are told apart at all


def stirred(net, seed=0):
    """Weights and statistics as of a trained network: none as its constructor makes them."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=draw) * 0.1)
    return net.eval()


def written(folder, name, *, overlay=None, safe=True, **options):
    """A folder as timm saves it, with its classifier."""
    net = stirred(timm.create_model(name, num_classes=7, pretrained_cfg_overlay={**OWN, **(overlay or {})}, **options))
    timm.models.save_for_hf(net, str(folder), safe_serialization=safe)
    return folder


@torch.no_grad()
def by_timm(folder, mode="RGB"):
    net = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    ready = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    return np.concatenate([net(ready(picture.convert(mode))[None]).numpy() for picture in PICTURES.values()])


ROOMY = {"input_size": (3, 64, 64), "fixed_input_size": False}
TIMM = {
    **{f"{name}, with its classifier": partial(written, name=name) for name in TINY},
    "pickled": partial(written, name="test_resnet", safe=False),
    "another pool": partial(written, name="test_resnet", global_pool="max"),
    "another size": partial(written, name="vit_tiny_patch16_224", img_size=64, depth=1),
    "any size, positions of another": partial(written, name="test_vit", img_size=64),
    "another depth": partial(written, name="test_vit", depth=2, embed_dim=48),
    "crop_pct": partial(written, name="test_resnet", overlay={**ROOMY, "crop_pct": 0.875}),
    "squash": partial(written, name="test_resnet", overlay={**ROOMY, "crop_mode": "squash", "crop_pct": 0.9}),
    "border": partial(written, name="test_resnet", overlay={**ROOMY, "crop_mode": "border", "crop_pct": 0.9}),
    "bilinear": partial(written, name="test_resnet", overlay={**ROOMY, "interpolation": "bilinear"}),
    "nearest": partial(written, name="test_resnet", overlay={**ROOMY, "interpolation": "nearest"}),
}


@pytest.mark.parametrize("layout", TIMM)
def test_a_folder_of_timms_is_read_and_written_back(tmp_path, layout):
    folder = TIMM[layout](tmp_path / "theirs")
    expected, model = by_timm(folder), kontrast.load(folder)
    found = model.embed(list(PICTURES.values()))
    close(found, expected)
    certificate = exchange.write(tmp_path / "again", model.encoder, model.look, About("simclr", "ten pictures"))
    assert certificate.layout == "timm"
    close(by_timm(tmp_path / "again"), expected, 1e-5)
    again = kontrast.load(tmp_path / "again")
    assert again.look == model.look
    np.testing.assert_allclose(again.embed(list(PICTURES.values())), found, rtol=0, atol=1e-5)


def test_one_channel(tmp_path):
    folder = written(tmp_path, "test_resnet", in_chans=1, overlay={"mean": (0.4,), "std": (0.3,)})
    close(kontrast.load(folder).embed(list(PICTURES.values())), by_timm(folder, "L"))


def test_the_oldest_flat_configuration(tmp_path):
    folder = written(tmp_path, "test_resnet")
    told = json.loads((folder / "config.json").read_text())
    flat = {"architecture": told["architecture"], "num_features": told["num_features"], **told["pretrained_cfg"]}
    (folder / "config.json").write_text(json.dumps(flat))
    close(kontrast.load(folder).embed(list(PICTURES.values())), by_timm(folder))


def test_transformers_wrapper_of_timm(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs kontrast[text]")
    net = transformers.AutoModel.from_pretrained(written(tmp_path / "timm", "test_resnet", num_features=None) and
                                                 without_arguments(tmp_path / "timm")).eval()  # fmt: skip
    net.save_pretrained(tmp_path / "wrapped")
    model = kontrast.load(tmp_path / "wrapped")
    np.testing.assert_allclose(
        model.embed(list(PICTURES.values())), kontrast.load(tmp_path / "timm").embed(list(PICTURES.values())), atol=1e-5
    )


def without_arguments(folder):
    """transformers dies of `model_args` that name num_classes."""
    told = json.loads((folder / "config.json").read_text())
    told.pop("model_args", None)
    (folder / "config.json").write_text(json.dumps(told))
    return folder


def test_pictures_from_files_are_those_of_pillow(tmp_path):
    folder = written(tmp_path / "theirs", "test_resnet", overlay={"crop_pct": 0.9})
    (tmp_path / "photos").mkdir()
    for place, picture in enumerate(PICTURES.values()):
        picture.save(tmp_path / "photos" / f"{place:02}.png")
    close(kontrast.load(folder).embed(tmp_path / "photos"), by_timm(folder))  # huge ones are read at a half


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"interpolation": "lanczos"}, "lanczos"),
        ({"input_size": (3, 64, 96), "fixed_input_size": False}, "squares alone"),
    ],
)
def test_what_is_not_made_ready_alike_is_refused(tmp_path, overlay, said):
    with pytest.raises(Unfit, match=said):
        kontrast.load(written(tmp_path, "test_resnet", overlay=overlay))


def test_a_vit_of_one_size_says_so(tmp_path):
    folder = written(tmp_path / "theirs", "vit_tiny_patch16_224", img_size=64, depth=1)
    from kontrast.encoders.images.open import image_encoder

    with pytest.raises(Unfit, match="--image-size 64"):
        image_encoder(str(folder), image_size=32, seed=0)


def test_weights_that_do_not_fit_are_named(tmp_path):
    folder = written(tmp_path, "test_resnet")
    told = json.loads((folder / "config.json").read_text())
    told["pretrained_cfg"]["classifier"] = "nothing"
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(Unfit, match="do not fit"):
        kontrast.load(folder)


def test_a_folder_of_an_older_kontrast_is_read(tmp_path):
    """config.json held the mean, the std and white, and all else was as the defaults are."""
    from kontrast.encoders.images.open import image_encoder

    look, encoder = (
        Preprocessing(32, OWN["mean"], OWN["std"], white=4095),
        image_encoder("small", image_size=32, seed=0),
    )
    exchange.write(tmp_path, encoder, look, About("simclr", "ten pictures"))
    told = json.loads((tmp_path / "config.json").read_text())
    old = {"tag", "encoder", "width", "mean", "std", "white"}
    assert set(told) == old  # what is as by default is not written
    assert kontrast.load(tmp_path).look == look


def test_transformers_own_picture_models_are_refused(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs kontrast[text]")
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20,
                                    image_size=32)  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(Unfit, match=r"transformers' own \(vit\)"):
        kontrast.load(tmp_path)


# open_clip

TEXT = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT = {"image_size": 96, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
CAPTIONS = ["a dog", "Two cats, and one more"]


def timm_vision(proj, name="test_vit", pool="token", **more):
    return {"timm_model_name": name, "timm_pool": pool, "timm_proj": proj, "image_size": 160, **more}


MODELS = {  # vision_cfg, preprocess_cfg, more of model_cfg, file
    "vit": (VIT, {}, {}, "safe"),
    "quick gelu": (VIT, {}, {"quick_gelu": True}, "safe"),
    "pickled": (VIT, {}, {}, "bin"),
    "custom text": (VIT, {}, {"custom_text": True}, "safe"),
    "siglip bias": (VIT, {}, {"init_logit_bias": -10.0, "custom_text": True}, "safe"),
    "size as a list": ({**VIT, "image_size": [96, 96]}, {}, {}, "safe"),
    "resnet": ({"image_size": 64, "layers": [1, 1, 1, 1], "width": 64, "patch_size": None}, {}, {}, "safe"),
    "timm, linear": (timm_vision("linear"), {}, {}, "safe"),
    "timm, null": (timm_vision(None), {}, {}, "safe"),
    "timm, null, averaged": (timm_vision(None, "test_resnet", "avg"), {}, {}, "safe"),
    "timm, none": (timm_vision("none"), {}, {"embed_dim": 64}, "safe"),
    "timm, mlp": (timm_vision("mlp", "test_resnet", ""), {}, {}, "safe"),
    "squash": (VIT, {"resize_mode": "squash"}, {}, "safe"),
    "longest": (VIT, {"resize_mode": "longest", "fill_color": 90}, {}, "safe"),
    "bilinear": (VIT, {"interpolation": "bilinear", **OWN}, {}, "safe"),
    "one number": (VIT, {"mean": 0.5, "std": 0.25}, {}, "safe"),
}


def clip_folder(folder, kind):
    peer = pytest.importorskip("open_clip", reason="needs kontrast[peers]")
    from safetensors.torch import save_file

    vision, ready, more, file = MODELS[kind]
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT, **more}
    made = peer.model.CustomTextCLIP if more.get("custom_text") else peer.model.CLIP
    plain = {name: value for name, value in config.items() if name != "custom_text"}
    net = stirred(made(**copy.deepcopy(plain)))
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": ready}))
    if file == "safe":
        save_file(net.state_dict(), folder / "open_clip_model.safetensors")
    else:
        torch.save(net.state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


@torch.no_grad()
def by_open_clip(folder):
    peer = pytest.importorskip("open_clip", reason="needs kontrast[peers]")
    net, _, ready = peer.create_model_and_transforms(f"local-dir:{folder}")
    net.eval()
    pixels = [net.encode_image(ready(picture.convert("RGB"))[None]).numpy() for picture in PICTURES.values()]
    words = peer.get_tokenizer(f"local-dir:{folder}")(CAPTIONS)
    return np.concatenate(pixels), net.encode_text(words).numpy()


@pytest.mark.parametrize("kind", MODELS)
def test_a_folder_of_open_clips_is_read_and_written_back(tmp_path, kind):
    folder = clip_folder(tmp_path / "theirs", kind)
    images, words = by_open_clip(folder)
    model = kontrast.load(folder)
    close(model.embed(list(PICTURES.values())), images)
    np.testing.assert_allclose(model.embed_text(CAPTIONS).numpy(), words, rtol=0, atol=1e-5)
    model.save(tmp_path / "again")
    again = open_clip.read(tmp_path / "again")
    assert again.look == model.pairs.look
    close(by_open_clip(tmp_path / "again")[0], images, 1e-5)


def test_other_ways_to_make_pictures_ready_are_refused(tmp_path):
    folder = clip_folder(tmp_path / "theirs", "vit")
    told = json.loads((folder / "open_clip_config.json").read_text())
    for changed, said in (({"resize_mode": "tiles"}, "tiles"),):
        (folder / "open_clip_config.json").write_text(json.dumps({**told, "preprocess_cfg": changed}))
        with pytest.raises(Unfit, match=said):
            kontrast.load(folder)
    told["model_cfg"]["vision_cfg"]["image_size"] = [32, 48]
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    with pytest.raises(Unfit, match="squares alone"):
        kontrast.load(folder)


# torchvision


def test_torchvisions_published_numbers_are_its_own(monkeypatch):
    """The look of every default weight of torchvision against its own preset, on pixels."""
    import torchvision

    from kontrast.encoders.images.published import of_torchvision

    picture = smooth(300, 420)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    for name in ("resnet18", "resnet50", "vit_b_16", "efficientnet_v2_s", "regnet_y_400mf"):
        preset, look = torchvision.models.get_model_weights(name).DEFAULT.transforms(), of_torchvision(name)
        assert isinstance(look, Preprocessing) and look.size == preset.crop_size[0]
        torch.testing.assert_close(look(pixels)[0], preset(picture), rtol=0, atol=1.01 / 255 / min(look.std))
