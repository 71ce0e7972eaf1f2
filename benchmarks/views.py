"""How fast views are made: ours beside lightly's SimCLRTransform and torchvision's v2 on tensors, in one process.

    python benchmarks/views.py [--rounds 5] [--threads 2] [--small 5120] [--large 128] [--only small|large|jpeg]

Four comparisons, each with the rivals in turn (A B C A B C ...), so that a busy machine slows all of them; the figure
is the median of the rounds' rates, with the lowest and the highest, and the ratio is the median of the rounds' ratios.
Batches are taken and dropped, as a training loop does.

small   CIFAR-10 test pictures, 32 px, two views, SimCLR with blur (lightly's own default) and for CIFAR (without).
        lightly as its users run it: PIL pictures, DataLoader of 2 workers, kept alive: their start is not counted.
large   decoded 500 x 375 pictures to two views of 224 px: both with 2 workers, and ours in the training's own process;
        then both on one thread.
jpeg    the same from JPEG, one decode for both views on both sides, both with 2 workers.

Workers are alive on both sides before a clock starts, and ours draw no more ahead between the rounds than theirs do.

Before a clock starts the outputs are looked at: shapes, range, mean and spread of both beside each other.
The floor beside the figures: one copy of the output's bytes.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torchvision
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from kontrast.data.open import Source, open_source
from kontrast.data.sampler import Sampler
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import views
from kontrast.positives.images.papers import recipe
from kontrast.positives.images.view import Keys, Mode
from kontrast.training import malloc

DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[2] / "shared" / "data"))
Work = Callable[[], list[Tensor]]


class Drawn(Dataset[list[Tensor]]):
    """PIL pictures, or JPEG bytes decoded when asked for, through a transform that returns two views."""

    def __init__(self, pictures: list[Image.Image] | list[bytes], transform: Callable[[Image.Image], list[Tensor]]):
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> list[Tensor]:
        picture = self.pictures[i]
        if isinstance(picture, bytes):
            picture = Image.open(io.BytesIO(picture)).convert("RGB")
        return self.transform(picture)


def cifar(n: int) -> Tensor:
    """(n, 3, 32, 32) uint8 of CIFAR-10's test set."""
    from pyarrow import parquet

    rows = parquet.read_table(DATA / "cifar10" / "test.parquet", columns=["image"])["image"][:n].to_pylist()
    return torch.stack([torch.from_numpy(np.array(Image.open(io.BytesIO(r["bytes"])))).permute(2, 0, 1) for r in rows])


def photos(n: int) -> list[bytes]:
    """Flickr8k photos brought to 500 x 375, as JPEG of quality 90: ImageNet's usual size."""
    from pyarrow import parquet

    rows = parquet.read_table(DATA / "captions" / "flickr8k-sample.parquet", columns=["image"])["image"][:n].to_pylist()
    made = []
    for row in rows:
        stream = io.BytesIO()
        Image.open(io.BytesIO(row["bytes"])).resize((500, 375), Image.Resampling.BICUBIC).save(
            stream, "JPEG", quality=90
        )
        made.append(stream.getvalue())
    return made


def pil(pictures: Tensor) -> list[Image.Image]:
    """The same pictures for those who want PIL's."""
    return [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]


def per_sample(
    pictures: list[Image.Image] | list[bytes], size: int, blur: float, strength: float, *, workers: int, batch: int
) -> Work:
    """lightly's SimCLRTransform behind a DataLoader; workers stay alive between the epochs."""
    transform = SimCLRTransform(size, cj_strength=strength, gaussian_blur=blur, normalize=None)
    data = Drawn(pictures, transform)
    loader = DataLoader(data, batch_size=batch, num_workers=workers, persistent_workers=workers > 0)

    def work() -> list[Tensor]:
        return deque(loader, maxlen=1)[0]

    return work


def tensor_ops(pictures: Tensor, size: int, blur: float, strength: float) -> Work:
    """torchvision v2, a picture at a time, as its random transforms ask."""
    steps = [
        v2.RandomResizedCrop(size, scale=(0.08, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.RandomApply([v2.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)], 0.8),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(max(3, 2 * (size // 20) + 1), (0.1, 2.0))], blur),
    ]
    transform = v2.Compose(steps)
    return lambda: [torch.stack([transform(picture) for picture in pictures]) for _ in range(2)]


def looked_at(rivals: dict[str, Work]) -> None:
    """Outputs before clocks: nobody is fast because of what was left out."""
    for name, work in rivals.items():
        first, second = work()[:2]
        levels = f"mean {first.mean():.3f} spread {first.std():.3f} range {first.min():.2f} to {first.max():.2f}"
        alike = torch.corrcoef(torch.stack([first.flatten(1).mean(1), second.flatten(1).mean(1)]))[0, 1]
        print(f"  {name:22} {tuple(first.shape)} {levels}; brightness of the two views correlates {alike:.2f}")


def raced(title: str, rivals: dict[str, Work], n: int, rounds: int, against: str) -> None:
    """Rates of all, in turn, and ratios to one of them within each round."""
    print(title)
    looked_at(rivals)
    rates: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            start = time.perf_counter()
            made = work()
            rates[name].append(n / (time.perf_counter() - start))
            del made
    for name, of_rounds in rates.items():
        ratios = sorted(rate / base for rate, base in zip(of_rounds, rates[against]))
        spread = f"{min(of_rounds):8.0f} to {max(of_rounds):8.0f}"
        ratio = f"{statistics.median(ratios):6.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"  {name:22} {statistics.median(of_rounds):9.0f} pictures/s  ({spread})  {ratio} {against}")


def batches(n: int, size: int) -> Iterator[slice]:
    """The parts of an epoch."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def ours(pictures: Tensor | list[Tensor], name: str, size: int, mode: Mode, batch: int) -> Work:
    """Two views of every picture, batch by batch."""
    made = recipe(name, size, 3)
    ids = np.arange(len(pictures))

    def work() -> list[Tensor]:
        for b in batches(len(pictures), batch):
            drawn = views(pictures[b], made, Keys(0, 0, ids[b]), mode=mode)
        return drawn

    return work


def copied(n: int, size: int, batch: int) -> Work:
    """The floor: two outputs written once."""
    source = torch.rand(batch, 3, size, size)
    return lambda: [[source.clone(), source.clone()] for _ in range(n // batch)][-1]


def small(rounds: int, n: int) -> None:
    """32 px."""
    batch = 512
    pictures = cifar(n)
    for name, blur, strength in (("simclr-cifar", 0.0, 0.5), ("simclr", 0.5, 1.0)):
        rivals = {
            "lightly, 2 workers": per_sample(pil(pictures), 32, blur, strength, workers=2, batch=batch),
            "torchvision v2": tensor_ops(pictures[:512], 32, blur, strength),
            "ours fast": ours(pictures, name, 32, "fast", batch),
            "ours exact": ours(pictures, name, 32, "exact", batch),
            "floor (copy)": copied(n, 32, batch),
        }
        part = rivals.pop("torchvision v2")
        rivals["torchvision v2"] = lambda part=part: [made for _ in range(n // 512) for made in part()][:2]
        raced(f"32 px, {n} pictures, two views, {name}", rivals, n, rounds, "lightly, 2 workers")


def epochs(source: Source, mode: Mode, batch: int, workers: int) -> Work:
    """Two views of every picture as a training run draws them. A call is one epoch, none of it drawn before."""
    steps = len(source.ids) // batch
    malloc.kept()  # as every training does
    batches = ImageBatches(
        source, Sampler(source.ids, batch, 0, steps), recipe("simclr", 224, 3), mode=mode, workers=workers
    )

    def work() -> list[Tensor]:
        for step in range(steps):
            drawn = batches(step).views
        return list(drawn)

    return work


def large(rounds: int, n: int) -> None:
    """224 px from decoded pictures: as they are used, over two processes each, and on one thread alone."""
    files = photos(n)
    decoded = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
    source = open_source([np.asarray(picture) for picture in decoded], shorter_side=None)
    rivals = {
        "lightly, 2 workers": per_sample(decoded, 224, 0.5, 1.0, workers=2, batch=16),
        "ours fast, 2 workers": epochs(source, "fast", 16, 2),
        "ours exact, 2 workers": epochs(source, "exact", 16, 2),
        "ours fast, no workers": epochs(source, "fast", 16, 0),
        "floor (copy)": copied(n, 224, 16),
    }
    raced(f"224 px from decoded 500 x 375, {n} pictures, two views, simclr", rivals, n, rounds, "lightly, 2 workers")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    tensors = source.images(source.ids)
    rivals = {
        "lightly, 1 thread": per_sample(decoded, 224, 0.5, 1.0, workers=0, batch=16),
        "ours fast, 1 thread": ours(tensors, "simclr", 224, "fast", 16),
        "ours exact, 1 thread": ours(tensors, "simclr", 224, "exact", 16),
    }
    raced("the same on one thread, without workers", rivals, n, rounds, "lightly, 1 thread")
    torch.set_num_threads(before)


def jpeg(rounds: int, n: int) -> None:
    """224 px from JPEG files, one decode for both views; every decode is counted."""
    files = photos(n)
    with TemporaryDirectory() as folder:
        for i, file in enumerate(files):
            (Path(folder) / f"{i:05}.jpg").write_bytes(file)
        source = open_source(folder, memory=0)
        rivals = {
            "Pillow and lightly": per_sample(files, 224, 0.5, 1.0, workers=2, batch=16),
            "ours fast, 2 workers": epochs(source, "fast", 16, 2),
            "ours exact, 2 workers": epochs(source, "exact", 16, 2),
        }
        raced(f"224 px from JPEG, {n} pictures, two views, simclr", rivals, n, rounds, "Pillow and lightly")


def main() -> None:
    """Parse, say what runs on what, race."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", type=int, default=5120, help="pictures of the small comparisons, times 512")
    parser.add_argument("--large", type=int, default=128, help="pictures of the large comparisons, times 32")
    parser.add_argument("--only", choices=["small", "large", "jpeg"])
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, lightly {_version('lightly')}"
    print(f"{versions}; {said.threads} threads of {os.cpu_count()} cores; {said.rounds} rounds")
    if said.only in (None, "small"):
        small(said.rounds, said.small)
    if said.only in (None, "large"):
        large(said.rounds, said.large)
    if said.only in (None, "jpeg"):
        jpeg(said.rounds, said.large)


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


if __name__ == "__main__":
    main()
