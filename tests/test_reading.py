"""The promise of the README: SimCLR is read whole in six files, and a step of it runs nothing else but a short list."""

import ast
import re
import sys
from pathlib import Path

import torch

from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler
from kontrast.encoders.images.open import image_encoder
from kontrast.methods.simclr import Config, SimCLR
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import papers
from kontrast.training import optimizers
from kontrast.training.loop import State, one_step

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "kontrast"
READ = [
    "methods/simclr.py",
    "methods/method.py",
    "losses/contrastive.py",
    "encoders/heads.py",
    "positives/images/draw.py",
    "training/loop.py",
]
ALSO_RUN = {  # what a step leans on, beside the six: draws, arithmetic in blocks, pixels, storage
    "keyed.py": "randomness from names",
    "preprocessing.py": "the white of 8- and 16-bit pixels",
    "similarity.py": "cosine and its kin",
    "losses/engine/tiled.py": "the tiled log-sum-exp",
    "losses/engine/tiles.py": "its tiles",
    "losses/engine/small_batch.py": "small batches whole",
    "losses/engine/candidates.py": "who is a negative",
    "losses/engine/arguments.py": "shapes of rows",
    "distributed/gather.py": "the one gather",
    "distributed/processes.py": "one process or many",
    "negatives/in_batch.py": "who is a candidate",
    "losses/chance.py": "what guessing costs",
    "negatives/false_negatives.py": "equal names are no negatives",
    "negatives/extra.py": "what --negatives adds: nothing here",
    "encoders/norm.py": "BatchNorm in groups",
    "encoders/images/encoder.py": "the encoder",
    "positives/images/__init__.py": "views: drawn, then rendered",
    "positives/images/view.py": "what can be drawn",
    "positives/images/exact.py": "the pixels of a view",
    "positives/images/fused.py": "the pixels of a view",
    "positives/images/resample.py": "the pixels of a view",
    "positives/images/blur.py": "the pixels of a view",
    "positives/images/threads.py": "blocks of views over threads",
    "modalities/images/batches.py": "the batch of a step",
    "data/sampler.py": "the order",
    "data/source.py": "the pictures",
    "data/pixels/store.py": "the pictures",
    "data/scored_pairs.py": "labels of rows: none here",
    "training/optimizers.py": "the optimizer",
}


def test_six_files_of_at_most_800_lines():
    assert len(READ) <= 6
    assert sum(len((SOURCE / name).read_text().splitlines()) for name in READ) <= 800
    readme = (ROOT / "README.md").read_text()
    for name in READ:
        assert name in readme, f"README does not name {name}"


def test_a_step_runs_the_six_and_a_short_list():
    source = open_source("digits")
    encoder = image_encoder("small", channels=1, image_size=8, seed=0)
    method = SimCLR(encoder, encoder.width, Config(), seed=0)
    groups = method.parameter_groups()
    optimizer = optimizers.optimizer(groups, "adamw", lr=1e-3, weight_decay=0.0)
    batches = ImageBatches(source, Sampler(source.ids, 16, 0, 10), papers.recipe("simclr-cifar", 8, 1), mode="exact")
    ran = set()

    def seen(frame, event, _):
        name = frame.f_code.co_filename
        if name.startswith(str(SOURCE)):
            ran.add(str(Path(name).relative_to(SOURCE)))

    sys.setprofile(seen)
    try:
        one_step(method, batches(0), optimizer, groups, State(), "fp32", torch.device("cpu"))
    finally:
        sys.setprofile(None)
    assert "methods/simclr.py" in ran and "training/loop.py" in ran
    assert ran <= set(READ) | set(ALSO_RUN), ran - set(READ) - set(ALSO_RUN)


def test_every_method_opens_with_its_card():
    for path in (SOURCE / "methods").glob("*.py"):
        if path.stem in {"__init__", "matryoshka", "method", "outside", "supervised"}:
            continue
        card = ast.get_docstring(ast.parse(path.read_text())) or ""
        for word in ("positives", "encoder", "negatives", "similarity", "loss"):
            assert re.search(rf"^{word}\s", card, re.M), f"{path.name}: the card does not say its {word}"
        assert "arXiv" in card
        assert len(path.read_text().splitlines()) <= 130, path.name
