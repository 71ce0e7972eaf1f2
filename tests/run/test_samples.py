"""What a run keeps back: a part, the data's own test split, other data, or nothing."""

import numpy as np
import pytest

from kontrast.data.open import open_source
from kontrast.errors import Unfit
from kontrast.run.samples import LEAST_HELD_OUT, held_out, rows_taken
from kontrast.settings import Settings

PIXELS = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)


def kept(data, **asked):
    source = open_source(data)
    check, check_ids, train_ids = held_out(source, Settings(**asked))
    return check, set(check_ids.tolist()), set(train_ids.tolist()), set(source.ids.tolist())


def test_a_tenth_is_kept_back_by_the_seed_alone():
    check, held, train, everything = kept(PIXELS)
    assert len(held) == 20 and held | train == everything and not held & train
    assert set(check.ids.tolist()) == held
    assert kept(PIXELS)[1] == held != kept(PIXELS, seed=1)[1]


def test_too_few_keep_nothing_back():
    check, held, train, everything = kept(PIXELS[: 10 * LEAST_HELD_OUT - 1])
    assert check is None and not held and train == everything
    with pytest.raises(Unfit, match="contrast needs at least 2"):
        kept(PIXELS[:1])


def test_the_datas_own_test_split_is_for_checks():
    check, held, train, everything = kept("digits")
    assert len(held) == 360 and not held & train and len(train) == 1437
    check, held, train, everything = kept("digits", validate="none")
    assert check is None and train == everything


def test_other_data_are_for_checks_alone(tmp_path):
    np.save(tmp_path / "other.npy", PIXELS[:50])
    check, held, train, everything = kept(PIXELS, validate=str(tmp_path / "other.npy"))
    assert len(held) == 50 and train == everything and "other.npy" in check.name


def test_a_threshold_needs_scores():
    with pytest.raises(Unfit, match="--similar-from is for rows a, b, score"):
        rows_taken(open_source(PIXELS), Settings(method="simclr", similar_from=3.0))
