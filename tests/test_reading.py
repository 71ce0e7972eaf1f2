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
    "positives/images.py",
    "training/loop.py",
]
ALSO_RUN = {  # what a step leans on, beside the six: draws, arithmetic in blocks, storage
    "keyed.py": "randomness from names",
    "similarity.py": "cosine and its kin",
    "losses/blocks.py": "the tiled log-sum-exp", "losses/tiles.py": "its tiles",
    "losses/small.py": "small batches whole",
    "losses/candidates.py": "who is a negative", "losses/rows.py": "shapes of rows",
    "negatives/across.py": "the one gather",
    "negatives/repeats.py": "equal names are no negatives",
    "encoders/norm.py": "BatchNorm in groups", "negatives/in_batch.py": "who is a candidate",
    "negatives/added.py": "what --negatives adds: nothing here",
    "positives/exact.py": "the pixels of a view", "positives/resample.py": "the pixels of a view",
    "positives/fused.py": "the pixels of a view", "positives/blur.py": "the pixels of a view",
    "positives/threads.py": "blocks of views over threads", "encoders/images.py": "the encoder",
    "data/batches.py": "the batch of a step", "data/order.py": "the order", "data/source.py": "the pictures",
    "data/pictures.py": "the pictures", "data/judged.py": "labels of rows: none here",
    "training/optimizers.py": "the optimizer",
    "training/processes.py": "one process or many",
}  # fmt: skip


def test_six_files_of_at_most_900_lines():
    assert len(READ) <= 6
    assert sum(len((SOURCE / name).read_text().splitlines()) for name in READ) <= 900
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
        if path.stem in {"__init__", "method"}:
            continue
        card = ast.get_docstring(ast.parse(path.read_text())) or ""
        for word in ("positives", "encoder", "negatives", "similarity", "loss"):
            assert re.search(rf"^{word}\s", card, re.M), f"{path.name}: the card does not say its {word}"
        assert "arXiv" in card
        assert len(path.read_text().splitlines()) <= 130, path.name
