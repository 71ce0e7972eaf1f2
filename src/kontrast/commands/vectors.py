"""What `kontrast embed` and `kontrast search` both need: data as a model takes them, and their vectors.

Shapes: N samples, D width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kontrast.data.source import Source
from kontrast.modalities.modality import InUse

Vectors = npt.NDArray[np.float32]


def opened(model: InUse, data: Any, split: str | None, **how: Any) -> Source:
    """All of the data (both parts of `digits`), as the model takes them; `how` they are opened, where it is said."""
    return model.read(data, split or ("all" if isinstance(data, str) and data == "digits" else None), **how)


def vectors(model: InUse, source: Source) -> Vectors:
    """(N, D), of all usable samples."""
    found: Vectors = model.embed_source(source, source.ids).numpy()
    return found
