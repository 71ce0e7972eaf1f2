"""The words of a user: typed, bounded, merged in the right order, misspelt ones named."""

import pytest

from kontrast.errors import Unfit
from kontrast.settings import NAMES, Settings, checked, from_environment, from_mapping, pairs

FROZEN = [
    "batch_size",
    "channels",
    "checkpoint_every",
    "chunk",
    "columns",
    "crops",
    "decoupled",
    "device",
    "encoder",
    "epochs",
    "follow_links",
    "image_size",
    "labels",
    "lr",
    "max_minutes",
    "method",
    "norm",
    "optimizer",
    "out",
    "pooler",
    "precision",
    "pretrained",
    "seed",
    "set",
    "similarity",
    "split",
    "strict",
    "temperature",
    "threads",
    "validate",
    "view_mode",
    "views",
    "warmup",
    "weight_decay",
    "white",
    "workers",
]


def test_the_names_that_others_rely_on_are_all_there():
    assert set(FROZEN) <= set(NAMES)


def test_flags_win_over_file_over_environment(monkeypatch):
    monkeypatch.setenv("KONTRAST_EPOCHS", "7")
    monkeypatch.setenv("KONTRAST_LR", "0.5")
    monkeypatch.setenv("KONTRAST_DATA", "/not/ours")
    merged = Settings(lr=0.1).over(from_mapping({"lr": 0.2, "seed": 3}, "file").over(from_environment()))
    assert (merged.lr, merged.seed, merged.epochs) == (0.1, 3, 7)


def test_an_empty_value_is_an_empty_word():
    """As a config.yaml has it: a CLIP run with lock: '' could not be resumed."""
    assert pairs(["lock=", "queue=8"], "x") == {"lock": "", "queue": 8}


def test_set_is_merged_name_by_name():
    merged = Settings(set=["queue=8"]).over(Settings(set=["queue=4", "momentum=0.9"]))
    assert pairs(merged.set, "x") == {"queue": 8, "momentum": 0.9}


@pytest.mark.parametrize(
    "values,words",
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"epochs": 2.5}, "epochs must be int, got 2.5"),
        ({"lr": "fast"}, "lr must be float, got 'fast'"),
        ({"decoupled": "perhaps"}, "decoupled must be bool"),
        ({"zzzzzz": 1}, "known: method"),
    ],
)
def test_misspelt_and_mistyped_words_are_named(values, words):
    with pytest.raises(Unfit, match=words):
        from_mapping(values, "config.yaml")


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"temperature": 0.0}, "--temperature must be greater than 0, got 0.0"),
        ({"epochs": -1}, "--epochs must be at least 1, got -1"),
        ({"batch_size": 1}, "--batch-size must be at least 2, got 1"),
        ({"lr": float("nan")}, "--lr must be greater than 0, got nan"),
        ({"optimizer": "adam"}, "did you mean 'adamw'"),
        ({"similarity": "cosin"}, "did you mean 'cosine'"),
    ],
)
def test_values_that_cannot_be_meant_are_named(settings, words):
    with pytest.raises(Unfit, match=words):
        checked(Settings(**settings))


def test_zero_is_meant_where_it_means_something():
    assert checked(Settings(weight_decay=0.0, warmup=0.0, seed=0, workers=0)).seed == 0


def test_pairs_read_numbers_and_refuse_halves():
    assert pairs(["a=1", "b=0.5", "c=true", "d=x-y", "e-f=null"], "--set") == {
        "a": 1, "b": 0.5, "c": True, "d": "x-y", "e_f": None,
    }  # fmt: skip
    with pytest.raises(Unfit, match="expected NAME=VALUE, got 'queue'"):
        pairs(["queue"], "--set")


def test_a_number_without_a_point_is_a_number():
    """YAML reads 1e-05 as a word; Python writes it that way, so a run's own config.yaml would not come back."""
    assert pairs(["a=1e-05", "b=2", "c=", "d=x", "e=true", "f=nan-like"], "--set") == {
        **{"a": 1e-05, "b": 2, "c": "", "d": "x"},
        **{"e": True, "f": "nan-like"},
    }
