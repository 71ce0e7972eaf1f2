"""JSON that every reader takes: the standard has no NaN and no infinity, so they are written as null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def dumps(content: Any, **how: Any) -> str:
    """`json.dumps`, with null for each number that is not finite."""
    return json.dumps(_finite(content), allow_nan=False, **how)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
