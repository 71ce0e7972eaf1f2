"""Pixels belong to the weights: a run that begins with trained ones sees what they have known, and says how good they
were before it began."""

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import kontrast
from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.evaluate import suite
from kontrast.modalities import registry
from kontrast.preprocessing import Preprocessing
from kontrast.run.plan import planned_on
from kontrast.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")
LOOK = Preprocessing(64, (0.5,) * 3, (0.5,) * 3, "bilinear", 0.875)
THEIRS = {"mean": LOOK.mean, "std": LOOK.std, "interpolation": "bilinear", "crop_pct": 0.875, "input_size": (3, 64, 64)}
QUICK = {"device": "cpu", "epochs": 1, "batch_size": 16, "threads": 1, "precision": "fp32"}


def drawn(root, each, seed):
    """Two kinds of pictures, 96 x 80, in two folders; the classes differ in their colour gradient."""
    draw = np.random.default_rng(seed)
    for kind in range(2):
        (root / f"kind{kind}").mkdir()
        for number in range(each):
            ramp = np.linspace(20, 200, 96)[None, :, None] * (1 + 0.4 * kind * np.array([0, 1, -1]))
            pixels = np.clip(ramp + draw.normal(0, 10, (80, 96, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"kind{kind}" / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("photos"), 24, 0)


def net_of():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model("test_resnet", num_classes=5, pretrained_cfg_overlay=THEIRS)
    for module in net.modules():  # each block begins as the identity: then nothing would come of its weights
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
    return net.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights")
    timm.models.save_for_hf(net_of(), str(path), safe_serialization=True)
    return path


@pytest.fixture(scope="module")
def run(photos, folder, tmp_path_factory):
    out, other = tmp_path_factory.mktemp("runs") / "run", drawn(tmp_path_factory.mktemp("others"), 12, 1)
    asked = {"method": "simclr", "encoder": str(folder), "labels": "folder", "validate": str(other), "lr": 1e-6}
    return kontrast.train(photos, out=str(out), **asked, **QUICK)


def test_the_run_sees_what_the_weights_have_known(run, folder):
    assert run.model.look == LOOK
    told = json.loads((run.path / "model" / "config.json").read_text())["pretrained_cfg"]
    assert (told["mean"], told["std"], told["interpolation"], told["crop_pct"]) == (
        [0.5] * 3,
        [0.5] * 3,
        "bilinear",
        0.875,
    )
    assert kontrast.load(run.path).look == LOOK


def test_before_is_the_frozen_weights_through_their_own_preprocessing(run, folder, photos):
    """kNN of the `before` column, against features of timm with timm's own transform."""
    net = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    ready = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    source = open_source(photos, labels="folder")

    @torch.no_grad()
    def theirs(source, ids):
        pictures = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in source.images(ids)]
        return net(torch.stack([ready(picture) for picture in pictures]))

    frozen = kontrast.load(folder)
    distance = (frozen.embed_source(source, source.ids) - theirs(source, source.ids)).norm(dim=1)
    assert float((distance / theirs(source, source.ids).norm(dim=1)).max()) < 2e-3
    columns = {"ours": frozen.embed_source, "theirs": theirs}
    found = suite.evaluate(columns, source, protocols=["knn"])
    assert found["ours"]["knn_top1"] == pytest.approx(found["theirs"]["knn_top1"], abs=1e-3)
    summary = run.summary["evaluation"]
    assert summary["before"] != summary["random_weights"]
    assert summary["before"]["knn_top1"] == pytest.approx(summary["learned"]["knn_top1"], abs=0.11)  # lr 1e-6


@pytest.mark.parametrize("method", ["simclr", "moco", "moco-v2", "swav", "byol", "barlow-twins"])
def test_views_are_normalised_for_the_weights_and_keep_the_papers_geometry(method, folder, photos):
    asked = Settings(method=method, encoder=str(folder), device="cpu", batch_size=16, epochs=1)
    plan, samples = planned_on(photos, asked)
    opened = registry.of_method(method).open(plan, samples, None)
    assert opened.learned and plan.settings.image_size == 64
    assert (opened.recipe.mean, opened.recipe.std) == (LOOK.mean, LOOK.std)
    assert opened.recipe.views == samples.recipe.views
    assert opened.model(opened.encoder).look == LOOK


def test_a_run_goes_on_from_another_with_its_network_and_its_pixels(run, photos, tmp_path):
    again = kontrast.train(photos, method="byol", weights_from=run.path, out=str(tmp_path / "again"), **QUICK)
    assert again.model.look == LOOK and again.model.spec["name"] == "test_resnet"
    with pytest.raises(Unfit, match="holds a test_resnet"):
        kontrast.train(photos, weights_from=run.path, encoder="resnet18", out=str(tmp_path / "other"), **QUICK)


def test_another_size_is_the_users_to_choose_unless_the_network_has_one(folder, photos, tmp_path):
    asked = Settings(method="simclr", encoder=str(folder), device="cpu", batch_size=16, image_size=48)
    plan, samples = planned_on(photos, asked)
    opened = registry.of_method("simclr").open(plan, samples, None)
    assert opened.model(opened.encoder).look == Preprocessing(48, LOOK.mean, LOOK.std, "bilinear", 0.875)
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1)
    timm.models.save_for_hf(vit, str(tmp_path / "vit"), safe_serialization=True)
    with pytest.raises(Unfit, match="--image-size 64"):
        kontrast.train(photos, encoder=str(tmp_path / "vit"), image_size=32, out=str(tmp_path / "run"), **QUICK)
    assert not (tmp_path / "run").exists()


def test_published_weights_by_name_bring_their_pixels(photos, tmp_path, monkeypatch):
    """A registered timm name whose published file lies on this disk."""
    from timm.models import _registry

    torch.save(net_of().state_dict(), tmp_path / "published.pth")
    known = _registry._model_pretrained_cfgs
    config = known["test_resnet"]
    here = {**config.to_dict(remove_source=True), **THEIRS, "num_classes": 5, "file": str(tmp_path / "published.pth")}
    monkeypatch.setitem(
        known, "test_resnet", type(config)(**{k: v for k, v in here.items() if k in config.__dataclass_fields__})
    )
    asked = Settings(method="simclr", encoder="test_resnet", pretrained=True, device="cpu", batch_size=16)
    plan, samples = planned_on(photos, asked)
    opened = registry.of_method("simclr").open(plan, samples, None)
    assert plan.settings.image_size == 64 and opened.learned
    assert opened.model(opened.encoder).look == LOOK and opened.recipe.mean == LOOK.mean
    frozen = net_of()
    frozen.reset_classifier(0)
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(opened.encoder.eval()(pixels), frozen.eval()(pixels))


@pytest.mark.parametrize("name", ["small", "resnet81", "resnet18.nowhere"])
def test_a_name_without_published_weights_is_still_told(name, photos):
    asked = Settings(method="simclr", encoder=name, pretrained=True, device="cpu", batch_size=16)
    with pytest.raises(Unfit, match=r"no published weights|nearest name|Invalid pretrained tag"):
        plan, samples = planned_on(photos, asked)
        registry.of_method("simclr").open(plan, samples, None)


def test_random_weights_keep_the_recipes_pixels(photos):
    asked = Settings(method="moco", encoder="small", device="cpu", batch_size=16)
    plan, samples = planned_on(photos, asked)
    opened = registry.of_method("moco").open(plan, samples, None)
    recipe = samples.recipe
    assert not opened.learned and opened.recipe == recipe
    assert opened.model(opened.encoder).look == Preprocessing(plan.settings.image_size, recipe.mean, recipe.std)
