"""The checks a user can run: green on this code, in a table or as JSON."""

import json

import pytest

from kontrast import verify
from kontrast.errors import Unfit
from kontrast.verify import chance


def reds(findings):
    return {finding.what for finding in findings if not finding.passed}


def test_the_quick_checks_are_green():
    for name in ("resume", "numerics", "chance", "crash"):
        findings = list(verify.run(name))
        assert findings and not reds(findings)


def test_the_table_fits_80_columns_and_failures_exit_1(capsys, monkeypatch):
    assert verify.shown("chance", "moco") == 0
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 80 and said[-1] == "2 of 2 checks passed."
    monkeypatch.setattr(chance, "apart", lambda name: float("nan"))
    assert verify.shown("chance", "moco", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["passed"] and told["findings"][0]["check"] == "chance"


@pytest.mark.parametrize("words,nearest", [(("gradient",), "gradients"), ((None, "mocco"), "moco")])
def test_unknown_words_are_told_with_the_nearest(words, nearest):
    with pytest.raises(Unfit, match=f"did you mean '{nearest}'"):
        list(verify.run(*words))
