"""`kontrast evaluate` of a sentence encoder: a file, a folder of sets, and what does not fit."""

import pytest

from kontrast.commands.evaluate import evaluate
from kontrast.errors import Unfit

pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_evaluating_a_file_and_a_folder_of_judged_pairs(run, data):
    result, lines = evaluate(run.path, data / "sts" / "one.csv")
    assert 0 < result["learned"]["spearman"] <= 1 and "raw_input" in result and lines
    result, lines = evaluate(run.path, data / "sts")
    assert len(result["learned"]["sets"]) == 3 and lines[-1].startswith("average")


def test_a_protocol_that_does_not_fit_is_refused_with_the_one_that_does(run, data):
    assert evaluate(run.path, data / "sts", protocols=["sts"])[0]["learned"]["sets"]["average"] > 0
    with pytest.raises(Unfit, match=r"'retrieval' does not fit: .* not sentences or pairs of them"):
        evaluate(run.path, data / "sts" / "one.csv", protocols=["retrieval"])
    assert "recall_at_5" in evaluate(run.path, data / "nli.csv", protocols=["retrieval"])[0]["learned"]
    with pytest.raises(Unfit, match="are for zero-shot"):
        evaluate(run.path, data / "nli.csv", templates="80")
