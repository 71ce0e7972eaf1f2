"""`kontrast embed` and `kontrast search`: vectors of pictures, sentences or both, and what is nearest to one of them.

Shapes: N samples, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.data.open import Source, open_source
from kontrast.errors import Unfit, shown
from kontrast.modalities.images.model import Model
from kontrast.modalities.texts.model import ROLES, TextModel

LONGEST = 120  # letters of a sentence that stand for it in a list
Vectors = npt.NDArray[np.float32]


def opened(model: Any, data: Any, split: str | None) -> Source:
    """All of the data (both parts of `digits`), with the channels that the model takes."""
    whole = "all" if data == "digits" else None
    if isinstance(model, TextModel):
        source = open_source(data, split=split or whole, texts_only=True)
        if not any(role in source.columns for role in ROLES):
            raise Unfit(f"{source.name} holds {source.kind}, and this model reads sentences.")
        return source
    channels = model.spec["channels"] if isinstance(model, Model) else 3
    source = open_source(data, split=split or whole, channels=channels if channels in (1, 3) else None)
    if isinstance(model, Model) and source.pictures is None:
        raise Unfit(f"{source.name} holds {source.kind}, and this model sees pictures.")
    return source


def vectors(model: Any, source: Source) -> Vectors:
    """(N, D): of the pictures, where the source has some and the model sees them; else of the sentences."""
    if isinstance(model, Model | TextModel) or source.pictures is not None:
        found: Vectors = model.embed_source(source, source.ids).numpy()
        return found
    return np.asarray(model.embed_text(_sentences(source)), dtype=np.float32)


def names(model: Any, source: Source) -> list[str]:
    """What each sample is called: its file, as a terminal can show it, or row; a sentence by itself."""
    if isinstance(model, TextModel) or source.pictures is None:
        return _sentences(source)
    return [shown(source.names[int(i)]) for i in source.ids]


def _sentences(source: Source) -> list[str]:
    role = next((role for role in ROLES if role in source.columns), None)
    if role is None:
        raise Unfit(f"{source.name} holds {source.kind}; sentences or pictures were expected.")
    return source.texts(source.ids, role)
