"""DOC kontrast.modalities.inference."""

from __future__ import annotations
import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from kontrast.data.pixels.decode import to_channels
from kontrast.data.open import Source, open_source
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.by_name import image_encoder
from kontrast.encoders.images.folders import stored
from kontrast.exchange import open_clip
from kontrast.positives.images.view import Pictures
from kontrast.positives.images import prepare
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from safetensors.torch import save_file
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.errors import Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting
from kontrast.exchange import image_folder as model_folder
from kontrast.exchange.card import About
from kontrast.report import page
from kontrast.report.image_neighbours import gallery
from kontrast.report.contact_sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
from kontrast.modalities.images.evaluation import raw_pixels
from kontrast.evaluate.embedders import Embedder
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder


BATCH = 256  # pictures encoded at once; no result depends on it


@contextmanager
def evaluating(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode, no gradient, and true fp32: no autocast and no TF32, whatever training uses. Then as before."""
    training = encoder.training
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    encoder.eval()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        encoder.train(training)
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def columns_of(model: Model, before: Model | None, seed: int) -> dict[str, Embedder]:
    """The learned encoder beside what knows less. A run that began at random began with the random weights."""
    random = model.random(seed).embed_source
    began = random if before is None else before.embed_source
    return {"learned": model.embed_source, "before": began, "random_weights": random, "raw_input": raw_pixels}
