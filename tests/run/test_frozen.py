"""A run from trained weights begins by measuring them, says what it does to them, and never ends worse."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tests.run.test_resume import child, ending

import kontrast
from kontrast import keyed
from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.errors import Unfit
from kontrast.exchange import formats
from kontrast.exchange.card import About
from kontrast.preprocessing import Preprocessing
from kontrast.run import frozen
from kontrast.run.frozen import Look, cause, sentence, warning
from kontrast.training.run_folder import Folder

WAYS = ["full", "last:2", "head", "lora:2"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """160 pictures of 4 sorts of stripes in two folders each."""
    folder = tmp_path_factory.mktemp("stripes")
    noise = keyed.below(120, "stripes", np.arange(160 * 16 * 16 * 3)).reshape(160, 16, 16, 3)
    grid = np.arange(16)
    for n in range(160):
        sort = n % 4
        wave = 64 + 60 * np.sin((grid[:, None] * (sort % 2) + grid * (1 - sort % 2)) * (0.5 + sort))
        (folder / f"sort{sort}").mkdir(exist_ok=True)
        picture = np.clip(wave[..., None] + noise[n], 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"sort{sort}" / f"{n:03d}.png")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny ViT of timm's as a folder."""
    path = tmp_path_factory.mktemp("encoder") / "vit"
    made = image_encoder_by_name("test_vit", image_size=16, seed=1).eval()
    formats.write_encoder(
        path, made, Preprocessing(16, (0.5,) * 3, (0.5,) * 3), About("none", "nothing", "healthy", {})
    )
    return path


def words(pictures, encoder, out, **more):
    settings = {"method": "simclr", "encoder": str(encoder), "epochs": 3, "batch_size": 24, "threads": 1}
    return {"data": str(pictures), "out": str(out), "validate": "part", **settings, **more}


def trained(pictures, encoder, out, **more):
    lines = []
    asked = words(pictures, encoder, out, **more)
    run = kontrast.train(asked.pop("data"), say=lines.append, **asked)
    return run, lines


@pytest.fixture(scope="module")
def planted(pictures, encoder, tmp_path_factory):
    """A run with a rate that is a hundred times too high."""
    return trained(pictures, encoder, tmp_path_factory.mktemp("planted") / "run", lr=1e-2, epochs=6, labels="folder")


def test_a_rate_that_is_too_high_is_told_and_the_first_weights_are_kept_to_the_bit(planted, encoder):
    run, lines = planted
    said = [line for line in lines if "the rate (0.01) is too high" in line]
    assert len(said) == 1 and int(said[0].partition(":")[0].removeprefix("step ")) <= 100
    began, left = kontrast.load(encoder), kontrast.load(run.path)
    first, kept = began.encoder.state_dict(), left.encoder.state_dict()
    assert first.keys() == kept.keys() and all(torch.equal(first[name], tensor) for name, tensor in kept.items())
    assert run.summary["frozen"]["kept"] == frozen.AS_THEY_WERE
    assert "the rate" in run.summary["frozen"]["cause"]
    assert run.summary["learned"].startswith("Not better than the weights it began with")
    assert run.summary["evaluation"]["learned"] == run.summary["evaluation"]["before"]


def test_the_frozen_figures_stand_first_in_log_and_report(planted):
    run, lines = planted
    rows = Folder.open(run.path).rows()
    assert rows[0]["step"] == 0 and {"held_out_knn_top1", "held_out_recall_at_1"} <= rows[0].keys()
    assert any(line.startswith("frozen   the weights as they are: knn_top1") for line in lines)
    page = (run.path / "report.html").read_text()
    assert "as they were" in page and "Likely cause" in page
    looks = json.loads((run.path / "summary.json").read_text())["frozen"]["looks"]
    assert looks[0]["name"] == "as they were" and looks[0]["known"] == 1.0
    assert any("of the way to the last" in look["name"] for look in looks)


def test_each_choice_for_trained_weights_is_printed_with_its_reason(planted):
    _, lines = planted
    for name in ("tune full", "norm frozen", "layer_decay 0.8", "evaluate_every", "views gentle", "weight_decay"):
        assert any(line.strip().startswith(name) and ": " in line for line in lines), name
    assert not any(line.strip().startswith("lr 0.0001") for line in lines)  # the user's own word


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_killed_and_goes_on_to_the_same_bits(way, pictures, encoder, tmp_path):
    asked = words(pictures, encoder, tmp_path / "whole", tune=way, evaluate_every=5)
    assert child(asked).returncode == 0
    killed = {**asked, "out": str(tmp_path / "killed")}
    assert child(killed, kill_at=11).returncode == -9
    assert child({"resume": str(tmp_path / "killed")}).returncode == 0
    (whole, state), (again, state_again) = ending(tmp_path / "whole"), ending(tmp_path / "killed")
    assert whole == again and state["frozen"] == state_again["frozen"] and state["best"] == state_again["best"]
    logs = [Folder.open(tmp_path / name).rows() for name in ("whole", "killed")]
    looks = [[row for row in rows if any(k.startswith("held_out") for k in row)] for rows in logs]
    assert looks[0] == looks[1] and looks[0][0]["step"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_holds_nothing_that_stands_still(way, pictures, encoder, tmp_path):
    run, _ = trained(pictures, encoder, tmp_path / "run", tune=way, method="moco", epochs=1)
    tensors, _ = ending(run.path)
    names = [name for name in tensors if "blocks.0.attn.qkv" in name and "lora" not in name]
    assert bool(names) == (way == "full")
    assert kontrast.load(run.path).width == 64


def test_weights_that_changed_since_are_not_gone_on_with(pictures, encoder, tmp_path):
    own = shutil.copytree(encoder, tmp_path / "own")
    asked = words(pictures, own, tmp_path / "run", tune="last:1")
    assert child(asked, kill_at=11).returncode == -9
    other = image_encoder_by_name("test_vit", image_size=16, seed=2).eval()
    shutil.rmtree(own)
    formats.write_encoder(
        own, other, Preprocessing(16, (0.5,) * 3, (0.5,) * 3), About("none", "nothing", "healthy", {})
    )
    with pytest.raises(Unfit, match="weights that this run began with are not there any more"):
        kontrast.train(resume=tmp_path / "run", say=lambda _: None)


def test_what_got_better_is_kept(pictures, encoder, tmp_path, monkeypatch):
    """Whatever scores higher and knows enough; the score is made up, the choice is not."""
    monkeypatch.setattr(frozen, "KNOWN", 0.0)
    run, _ = trained(pictures, encoder, tmp_path / "run", lr=3e-4, epochs=6, method="simclr", tune="lora:2")
    told = run.summary["frozen"]
    best = max(told["looks"][1:], key=lambda look: look["recall_at_1"])
    if best["recall_at_1"] > told["looks"][0]["recall_at_1"] + 0.1:
        assert told["kept"] != frozen.AS_THEY_WERE and told["sentence"].startswith("Better than")
    assert not any("lora" in name for name in run.model.encoder.state_dict())


def test_random_weights_are_not_measured_first_and_take_no_tune(pictures, tmp_path):
    asked = words(pictures, "small", tmp_path / "run", epochs=1)
    data = asked.pop("data")
    run = kontrast.train(data, say=lambda _: None, **asked)
    assert "frozen" not in run.summary and all(row["step"] > 0 for row in Folder.open(run.path).rows())
    with pytest.raises(Unfit, match=r"--tune head is for trained weights"):
        kontrast.train(data, say=lambda _: None, **{**asked, "out": str(tmp_path / "no"), "tune": "head"})
    with pytest.raises(Unfit, match=r"--tune 'some': expected full"):
        kontrast.train(data, say=lambda _: None, **{**asked, "out": str(tmp_path / "no"), "tune": "some"})
    assert not (tmp_path / "no").exists()


def look(score, known, loss=None, name="step"):
    return Look(name, {"knn_top1": score}, known, loss, 6.0 if loss else None)


def test_the_cause_is_told_by_the_runs_own_signs():
    first = look(0.6, 1.0, name="as they were")
    healthy = "healthy: outputs are spread out"
    assert "the rate" in cause([first, look(0.3, 0.2, 5.0), look(0.5, 0.95, 4.0)], healthy)
    assert "the rate" in cause([first, look(0.6, 0.99, 5.0)], "collapsed: all outputs")
    assert "forgetting" in cause([first, look(0.5, 0.8, 5.0), look(0.5, 0.8, 4.0)], healthy)
    assert "too few steps" in cause([first, look(0.6, 0.999, 5.0), look(0.6, 0.99, 4.99)], healthy)
    assert "too few steps" in cause([first, look(0.6, 0.999, 5.0)], healthy)
    assert "false negatives" in cause([first, look(0.59, 0.97, 5.0), look(0.55, 0.95, 3.0)], healthy)
    assert "noise" in cause([first, look(0.6, 0.97, 5.0), look(0.601, 0.95, 3.0)], healthy)


def test_only_a_fall_is_warned_of():
    assert warning(look(0.6, 0.9), 1e-4) == "" and "--lr 0.001" in warning(look(0.6, 0.3), 1e-2)
    assert "0.600 -> 0.700" in sentence(look(0.6, 1.0), look(0.7, 0.95), "")
