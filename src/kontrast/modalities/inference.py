"""A model in use: how it is run, and what stands beside it in every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kontrast.data.open import Source, open_source
from kontrast.data.readers.files import is_file
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.modalities.calibration import calibrated
from kontrast.modalities.widths import narrower
from kontrast.training import malloc

BATCH = 256  # pictures or sentences encoded at once; no result of trained weights depends on it


@contextmanager
def evaluating(encoder: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode, no gradient, and true fp32: no autocast and no TF32, whatever training uses. Then as before.

    Memory that batches used stays with the process, as in training: each batch needs it again.
    """
    malloc.kept()
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


def columns_of(
    model: Any, before: Any, seed: int, look: tuple[Source, Ids] | None = None, widths: Sequence[int] = ()
) -> tuple[dict[str, Any], str]:
    """(the learned model beside what knows less, what was done to them).

    before  the weights that the run began with; None: at random, which are the random weights
    look    pictures on which norms that never saw data are measured first: see `calibration`
    widths  of first columns that are shown alone beside them, as "first_64"
    """
    random = model.random(seed)
    models = {"learned": model, "before": random if before is None else before, "random_weights": random}
    alone = narrower(model, widths)
    if look is None:
        return models | alone, ""
    count = max(calibrated(one, *look) for one in {id(one): one for one in models.values()}.values())
    told = f"norms of random weights, which never saw data, measured on {count:,} pictures of {look[0].name}"
    return models | alone, told if count else ""


def file_of(query: str) -> Path | None:
    """The file that a query names, if it names one."""
    return Path(query) if is_file(query) else None


def words_of(query: str) -> str:
    """The words of a query: of the text file that it names, else the query itself. Unfit where there are none."""
    file = file_of(query)
    try:
        words = query if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Unfit(f"--query {query} cannot be read as text: {problem}.") from None
    if not words.strip():
        raise Unfit("--query is empty; give words, a file or a row number.")
    return words.strip()


def picture_of(query: str) -> Source:
    """The picture of the file that a query names, a source of one. Unfit where it is none."""
    source = open_source(Path(query))
    if source.kind != "images" or len(source.ids) != 1:
        raise Unfit(f"--query {query} is no picture; it holds {source.called}.")
    return source
