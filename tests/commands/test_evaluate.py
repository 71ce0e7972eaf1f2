"""`kontrast evaluate`: the kind of model decides which tests there are, and what is asked is what is done."""

import pytest

from kontrast.commands.evaluate import evaluate
from kontrast.errors import Unfit


def test_only_what_was_asked_is_measured_beside_random_weights_and_pixels(digits_run):
    result, lines = evaluate(digits_run, "digits", protocols=["knn"], split="test")
    assert {"learned", "random_weights", "raw_input"} <= result.keys() and "before" not in result
    assert "knn_top1" in result["learned"] and "linear_top1" not in result["learned"]
    assert result["raw_input"]["knn_top1"] == pytest.approx(0.93, abs=0.03) and any("kNN" in line for line in lines)


def test_words_are_for_models_of_words(digits_run):
    with pytest.raises(Unfit, match="are for zero-shot"):
        evaluate(digits_run, "digits", templates="80")
    with pytest.raises(Unfit, match="'sts' does not fit"):
        evaluate(digits_run, "digits", protocols=["sts"])
