"""DOC kontrast.run.failure."""

from __future__ import annotations
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from safetensors.torch import save_file
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting
from kontrast.exchange import image_folder as model_folder
from kontrast.exchange import open_clip
from kontrast.exchange.card import About
from kontrast.report import page
from kontrast.report.image_neighbours import gallery
from kontrast.report.contact_sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder


def save_batch(folder: Path, batch: Batch) -> None:
    """Keep the batch that broke the run, so that it can be looked at."""
    tensors = {"ids": batch.ids_B}
    for number, view in enumerate(batch.views):
        parts = view.items() if isinstance(view, dict) else [("pixels", view)]
        tensors |= {f"view{number}.{name}": tensor.contiguous() for name, tensor in parts}
    save_file({name: tensor.cpu() for name, tensor in tensors.items()}, folder / "bad-batch.safetensors")
