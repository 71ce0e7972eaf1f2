"""`kontrast evaluate`: an encoder beside random weights and raw input, in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kontrast.modalities import registry
from kontrast.modalities.modality import Request


def evaluate(
    model: str | Path, data: Any, *, protocols: Sequence[str] | None = None, **request: Any
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON of an evaluation, the lines of its table) of a run or model folder.

    protocols  names in `evaluate.registry.PROTOCOLS`; None: all that fit the data
    request    the other fields of `modalities.modality.Request`: split, labels, train_data, classes, templates, seed
    """
    return registry.of_folder(model).evaluate(Path(model), data, Request(protocols=tuple(protocols or ()), **request))
