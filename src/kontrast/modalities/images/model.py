"""A trained encoder in use: pictures in, vectors out. Always fp32, evaluation mode, the same look at every picture.

Shapes: N pictures, H features.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kontrast import progress
from kontrast.data.open import Source, open_source
from kontrast.data.pixels.decode import to_channels
from kontrast.encoders.images.by_name import as_described
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.folders import stored
from kontrast.errors import Unfit, shown
from kontrast.keyed import Ids
from kontrast.modalities.inference import BATCH, evaluating, file_of, picture_of
from kontrast.preprocessing import Pictures, Preprocessing


class Model:
    """An encoder and how its pictures are made ready; see `modality.InUse`."""

    words = False

    def __init__(self, encoder: ImageEncoder, look: Preprocessing) -> None:
        self.encoder, self.look = encoder, look

    @property
    def image_size(self) -> int:
        """Side in pixels of what the encoder sees."""
        return self.look.size

    @property
    def spec(self) -> dict[str, Any]:
        return self.encoder.spec

    @property
    def width(self) -> int:
        """H, the length of a vector."""
        return self.encoder.width

    def embed(self, data: Any) -> npt.NDArray[np.float32]:
        """Vectors (N, H) of all usable pictures: a path, "digits", an array, a list of PIL pictures, or a Source."""
        source = self.read(data)
        return self.embed_source(source, source.ids).numpy()

    def read(self, data: Any, split: str | None = None, **how: Any) -> Source:
        """The data, with the channels that the encoder takes. Unfit where they hold no pictures."""
        channels = self.spec["channels"]
        source = open_source(data, split=split, channels=channels if channels in (1, 3) else None, **how)
        if source.pictures is None:
            raise Unfit(f"{source.name} holds {source.kind}, and this model sees pictures.")
        return source

    def called(self, source: Source) -> list[str]:
        """The file or row of each sample."""
        return [shown(source.names[int(i)]) for i in source.ids]

    def asked(self, query: str) -> tuple[npt.NDArray[np.float32], Tensor | None]:
        """(the vector, the picture) of a picture file."""
        if file_of(query) is None:
            raise Unfit(f"--query {query!r} is neither a picture file nor the number of a row.")
        picture = picture_of(query)
        return self.embed_source(picture, picture.ids)[0].numpy(), picture.images(picture.ids)[0]

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """Vectors (N, H), fp32, on the CPU, of these samples of an open source, in their order.

        16-bit pictures are read as those it was trained on; Unfit where they go beyond.
        """
        device = next(self.encoder.parameters(), torch.empty(0)).device  # an encoder may have none
        white = self.look.white  # None: it knows 8-bit pictures alone
        white = white if source.within(white).bits == 16 and white else source.white
        parts = []
        with evaluating(self.encoder, device):
            for start in progress.passing(range(0, len(ids), BATCH), "embedding pictures", each=BATCH, total=len(ids)):
                pictures = _with_channels(source.images(ids[start : start + BATCH]), self.spec["channels"])
                # on the CPU: one look on any device
                ready = self.look(pictures, white=white)
                parts.append(self.encoder(ready.to(device)).cpu())
        return torch.cat(parts) if parts else torch.empty(0, self.width)

    def similarity(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Cosine of every row of a (M, H) with every row of b (N, H): (M, N), from -1 to 1."""
        unit_a, unit_b = (nn.functional.normalize(torch.as_tensor(each, dtype=torch.float32), dim=1) for each in (a, b))
        return (unit_a @ unit_b.T).numpy()

    def random(self, seed: int = 0) -> Model:
        """The same architecture with fresh random weights: what no learning gives."""
        fresh = as_described(self.spec, seed=seed)
        return self._with(fresh.to(next(self.encoder.parameters()).device))

    def with_weights(self, weights: Mapping[str, Tensor]) -> Model:
        """The same architecture with these weights (a state dict of the encoder)."""
        other = copy.deepcopy(self.encoder)
        other.load_state_dict(weights)
        return self._with(other)

    def _with(self, encoder: ImageEncoder) -> Model:
        return Model(encoder, self.look)


def load(path: str | Path) -> Model:
    """The picture encoder of a run folder or of a `model/` folder, on the CPU."""
    found = stored(path)
    return Model(found.encoder().eval(), found.look)


def _with_channels(pictures: Pictures, channels: int) -> Pictures:
    """The pictures, (C, H, W) each, with the channels that the encoder takes."""
    if all(len(picture) == channels for picture in pictures):
        return pictures
    return [torch.from_numpy(to_channels(picture.numpy(), channels)) for picture in pictures]
