"""`kontrast import`: files as their publishers write them, imported with the vectors of the network they are of."""

import os
import pickle

import numpy as np
import pytest
import timm
import torch
from tests.exchange.publishers_files import PUBLISHED, features, moco, network, under, without_classifier

import kontrast
from kontrast.cli import main
from kontrast.commands.import_weights import import_weights, numbers
from kontrast.errors import Unfit

LOOK = {"size": 40, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3), "interpolation": "bilinear", "crop_pct": 1.0}


@pytest.fixture(scope="module")
def resnet18():
    return network("resnet18")


def saved(folder, content):
    file = folder / "weights.pth"
    torch.save(content, file)
    return file


def prepared(pixels, mean, std):
    """(N, H, W, 3) bytes of the network's own size, made ready by hand."""
    ready = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (ready - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def pictures(size, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("layout", PUBLISHED)
def test_a_publishers_file_gives_the_vectors_of_its_network(tmp_path, resnet18, layout):
    whose, unneeded, content = PUBLISHED[layout]
    lines = import_weights(saved(tmp_path, content(resnet18)), tmp_path / "model", **LOOK)
    assert f"whose    {whose}" in lines and "network  resnet18, 512 numbers a picture" in lines
    assert any(line.startswith(f"weights  120 of 120 used, {unneeded} not needed") for line in lines), lines
    theirs = features(resnet18, prepared(pictures(40), LOOK["mean"], LOOK["std"]))
    ours = kontrast.load(tmp_path / "model").embed(pictures(40))
    assert np.abs(ours - theirs.numpy()).max() < 1e-5 and np.abs(ours).max() > 0.1
    assert (tmp_path / "model" / "model.safetensors").is_file() and not list((tmp_path / "model").glob("*.p*"))


HARMS = [(layout, "renamed") for layout in PUBLISHED]
HARMS += [("MoCo v2", "missing"), ("torchvision", "missing"), ("VISSL", "missing"), ("lightly", "misshapen")]


@pytest.mark.parametrize(("layout", "harm"), [*HARMS, ("SwAV", "strange")])
def test_one_tensor_amiss_is_refused_by_its_name(tmp_path, resnet18, layout, harm):
    content = PUBLISHED[layout][2](resnet18)
    state = content
    while not any(isinstance(value, torch.Tensor) for value in state.values()):  # down to the tensors
        keys = ("state_dict", "online_network_state_dict", "classy_state_dict", "base_model", "model", "trunk")
        state = state[next(key for key in keys if key in state)]
    victims = [name for name in state if name.endswith(("layer2.0.conv1.weight", "5.0.conv1.weight"))]
    victim = next(name for name in victims if not name.startswith(("module.encoder_k", "net.", "target", "momentum")))
    if harm == "strange":
        named = victim.removesuffix("conv1.weight") + "conv9.weight"
        state[named] = torch.zeros(2)
    elif harm == "misshapen":
        named, state[victim] = victim, state[victim][:-1].clone()
    else:
        tensor = state.pop(victim)
        named = victim.replace("conv1", "conv_1") if harm == "renamed" else victim
        state |= {named: tensor} if harm == "renamed" else {}
    ours = named.split("layer2.")[-1] if "layer2." in named else "0." + named.split("5.0.")[-1]
    with pytest.raises(Unfit, match="is not resnet18, the nearest network") as refusal:
        import_weights(saved(tmp_path, content), tmp_path / "model", **LOOK)
    assert ours in str(refusal.value) and not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_an_exploit_is_inert_and_refused(tmp_path):
    class Exploit:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"state_dict": Exploit()}))
    torch.save({"state_dict": {"conv1.weight": Exploit()}}, tmp_path / "zip.pth")
    for name in ("plain.pth", "zip.pth"):
        with pytest.raises(Unfit, match="is not opened"):
            import_weights(tmp_path / name, tmp_path / "model", **LOOK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.pth", "zip.pth"]


def test_pixels_that_the_publisher_fixes_come_along(tmp_path, resnet18):
    lines = import_weights(saved(tmp_path, PUBLISHED["SwAV"][2](resnet18)), tmp_path / "model")
    assert any(line.startswith("pixels   as SwAV's own program has them") for line in lines)
    look = kontrast.load(tmp_path / "model").look
    assert (look.size, look.mean, look.std) == (224, (0.485, 0.456, 0.406), (0.228, 0.224, 0.225))
    assert (look.interpolation, look.crop_pct) == ("bilinear", 0.875)


def test_pixels_that_nobody_says_are_asked_for(tmp_path, resnet18):
    file = saved(tmp_path, resnet18.state_dict())
    with pytest.raises(Unfit, match="Give --size, --mean, --std, --interpolation, --crop; or --pixels imagenet"):
        import_weights(file, tmp_path / "model")
    with pytest.raises(Unfit, match="Give --interpolation, --crop"):
        import_weights(file, tmp_path / "model", size=32, mean=(0.5,) * 3, std=(0.5,) * 3)
    import_weights(file, tmp_path / "model", preset="imagenet", size=64)
    assert kontrast.load(tmp_path / "model").look.size == 64


def test_the_command_line_reads_them_and_every_verb_takes_the_folder(tmp_path, resnet18, capsys):
    file, out = saved(tmp_path, moco(resnet18, ("fc.0", "fc.2"))), tmp_path / "model"
    with pytest.raises(SystemExit) as ended:
        main(["import", str(file), "--out", str(out), "--size", "32", "--mean", "0.5,0.5,0.5", "--std", "0.2,0.2,0.2"])
    assert ended.value.code == 0 and "120 of 120 used, 130 not needed" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["export", str(out), "--to", "standalone", "--out", str(tmp_path / "alone")])
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main(["import", str(file), "--out", str(out)])
    assert ended.value.code == 2 and "nothing is overwritten" in capsys.readouterr().err
    foreign = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
    ready = prepared(pictures(32), (0.5,) * 3, (0.2,) * 3)
    with torch.no_grad():
        assert (foreign(ready) - features(resnet18, ready)).abs().max() < 1e-5


def test_a_folder_needs_no_import(tmp_path, resnet18):
    import_weights(saved(tmp_path, resnet18.state_dict()), tmp_path / "model", **LOOK)
    with pytest.raises(Unfit, match="needs no import"):
        import_weights(tmp_path / "model", tmp_path / "again")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unfit, match="holds no model"):
        import_weights(tmp_path / "empty", tmp_path / "again")
    with pytest.raises(Unfit, match="There is no file"):
        import_weights(tmp_path / "none.pth", tmp_path / "again")


def test_the_card_says_where_it_is_from(tmp_path, resnet18):
    import_weights(saved(tmp_path, under("backbone.", without_classifier(resnet18))), tmp_path / "model", **LOOK)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Imported from weights.pth (SHA-256 " in card and "Trained as its publisher says, on data" in card


def test_numbers_are_read_or_refused():
    assert numbers("--mean", "0.5,1") == (0.5, 1.0) and numbers("--mean", None) is None
    with pytest.raises(Unfit, match=r"--std 0.5;1: numbers with commas"):
        numbers("--std", "0.5;1")
