"""A run from trained weights begins by measuring them, says what it does to them, and never ends worse."""

import json
import shutil
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    "way", ["last:2", "lora:2", *(pytest.param(w, marks=pytest.mark.proof) for w in ("full", "head"))]
)
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


@pytest.mark.parametrize("way", ["full", "lora:2"])
def test_a_checkpoint_holds_nothing_that_stands_still(way, pictures, encoder, tmp_path):
    run, _ = trained(pictures, encoder, tmp_path / "run", tune=way, method="moco", epochs=1, validate="none")
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


class Line(torch.nn.Module):
    """An encoder of one weight; what it scores is `scores` at the nearest tenth."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([weight]))

    def embed_source(self, source, ids):
        cloud = torch.randn(len(ids), 8, generator=torch.Generator().manual_seed(0))
        return cloud + max(0.0, self.weight.item() - 1.5) * 1e3 * torch.randn(len(ids), 8)


class Judge:
    """Stands where a kind of data stands: the score is a function of the weight."""

    def __init__(self, name, score):
        self.name, self.of = name, score

    def model(self, encoder):
        return encoder

    def score(self, model, source, ids):
        return {self.name: self.of(round(model.weight.item(), 2))}


def line_run(score, last, name="knn_top1", best=None):
    """(what is kept, its model, all looks) of a run from weight 0 to `last`."""
    source = SimpleNamespace(ids=np.arange(400), name="held out")
    began = Line(0.0)
    run = frozen.Frozen(Judge(name, score), began, {"weight": torch.tensor([0.0])}, source)
    run.begin()
    found = None if best is None else (7, {"weight": torch.tensor([best])})
    kept, model = run.chosen(Line(last), found, 20)
    return kept, model, run


@pytest.mark.parametrize(
    ("score", "best", "weight"),
    [
        (lambda w: 0.5 + 0.2 * w, None, 1.0),  # better and better: the last
        (lambda w: 0.5 + 0.4 * w * (1 - w), None, 0.5),  # a mixture of first and last
        (lambda w: 0.5 - w + (2.0 if w == 0.9 else 0), 0.9, 0.9),  # the best on the way
        (lambda w: 0.5 - 0.2 * w, None, 0.0),  # worse and worse: the first
        (lambda w: 0.5 + 0.01 * w, None, 0.0),  # better by less than half of the noise, which is 0.0125
        (lambda w: float("nan") if w else 0.5, None, 0.0),
    ],
)
def test_the_best_of_first_mixed_on_the_way_and_last_is_kept(score, best, weight):
    kept, model, run = line_run(score, 1.0, best=best)
    assert model.weight.item() == pytest.approx(weight)
    assert (model is run.began) == (weight == 0.0) == (kept.name == frozen.AS_THEY_WERE)
    assert len(run.looks) == 5 + (best is not None)


def test_weights_that_have_forgotten_are_not_kept_whatever_they_score():
    _, model, run = line_run(lambda w: 0.5 + 0.2 * w, 2.0, name="recall_at_1")
    assert model.weight.item() == pytest.approx(1.5) and run.looks[-1].known < 0.5
    assert "forgetting" in cause([run.looks[0], Look("x", {"recall_at_1": 0.4}, 0.8, 5.0, 6.0)], "healthy")


def test_random_weights_are_not_measured_first_and_take_no_tune(pictures, tmp_path):
    asked = words(pictures, "small", tmp_path / "run", epochs=1, validate="none")
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
