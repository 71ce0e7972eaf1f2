"""Trained weights are moved gently; random ones as ever; the user's word wins."""

from dataclasses import replace

import pytest

from kontrast.recipes.resolve import planned
from kontrast.recipes.rules import Facts
from kontrast.settings import NAMES, Settings

RANDOM = Facts(9_000, 224, 3, False, False)
TRAINED = replace(RANDOM, weights=("tf_efficientnet_lite0", 64), held_out=500)
MOVED = {"tune": "full", "layer_decay": 0.8, "norm": "frozen", "views": "gentle", "weight_decay": 0.01, "lr": 1e-4}
OWN = {"tune": "last:3", "layer_decay": 0.5, "norm": "batch", "views": "plain", "weight_decay": 0.2, "lr": 3e-3}


@pytest.mark.parametrize("method", ["simclr", "moco", "moco-v2", "byol", "barlow-twins", "swav"])
def test_every_method_moves_trained_weights_gently_and_says_why(method):
    plan, random = (planned(Settings(method=method), facts) for facts in (TRAINED, RANDOM))
    found = plan.settings.requested()
    assert {name: found[name] for name in MOVED} == MOVED
    assert found["epochs"] < random.settings.epochs and found["evaluate_every"] <= 100
    reasons = {choice.name: choice.reason for choice in plan.choices}
    assert all(len(reasons[name]) > 10 for name in (*MOVED, "evaluate_every", "epochs", "warmup"))
    assert not {"tune", "layer_decay", "norm", "evaluate_every"} & random.settings.requested().keys()


@pytest.mark.parametrize("name", OWN)
def test_the_users_word_wins(name):
    plan = planned(Settings(method="simclr", **{name: OWN[name]}), TRAINED)
    assert getattr(plan.settings, name) == OWN[name]
    assert name in NAMES and name not in {choice.name for choice in plan.choices}


def test_what_stands_beside_trained_weights_learns_faster():
    rates = {
        way: planned(Settings(method="simclr", tune=way), TRAINED).settings for way in ("full", "last:2", "lora:8")
    }
    assert rates["lora:8"].lr > rates["full"].lr == rates["last:2"].lr
    assert rates["lora:8"].layer_decay is None  # its own weights stand still


def test_a_muon_run_keeps_its_own_scale():
    assert planned(Settings(method="simclr", optimizer="muon"), TRAINED).settings.lr == pytest.approx(1e-2 / 20)


def test_without_a_held_out_part_nothing_is_looked_at():
    assert planned(Settings(method="simclr"), replace(TRAINED, held_out=0)).settings.evaluate_every is None


def test_drawings_are_not_cropped():
    small = replace(TRAINED, side=28, channels=1)
    assert planned(Settings(method="simclr"), small).settings.views == "affine"
