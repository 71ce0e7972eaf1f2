"""JSON that every reader takes: no NaN, no infinity, at any depth."""

import json
import math

import pytest

from kontrast import strict_json


def test_what_is_not_finite_is_null_at_any_depth():
    content = {"a": math.nan, "b": [1.5, math.inf, {"c": (-math.inf, 2)}], "d": "nan", "e": True, "f": None}
    text = strict_json.dumps(content, indent=1)
    found = json.loads(text, parse_constant=pytest.fail)
    assert found == {"a": None, "b": [1.5, None, {"c": [None, 2]}], "d": "nan", "e": True, "f": None}
    assert content["b"][1] == math.inf, "what was given stays as it is"
