"""What a kind of data is to everything above it: one contract, one folder for each kind.

    Modality            pictures, sentences, or pictures with captions: what it reads, and its models in use
    Modality.open(...)  the same, made ready for one run: encoder, batches, evaluation, export, report

`registry.MODALITIES` lists them. A run, a verb and the report know no kind of data by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kontrast.data.sampler import Sampler
from kontrast.data.source import Source
from kontrast.errors import shown
from kontrast.exchange.card import About, Certificate
from kontrast.keyed import Ids
from kontrast.positives.images.view import Recipe
from kontrast.recipes.resolve import Plan
from kontrast.report.image_neighbours import Question
from kontrast.settings import Settings
from kontrast.training.loop import Batches


@dataclass
class Samples:
    """What a plan is about to run on."""

    source: Source
    train_ids: Ids
    check: Source | None  # where the checks are made, on
    check_ids: Ids
    recipe: Recipe | None  # of views of pictures
    device: torch.device
    choose: Source | None = None  # where --evaluate-every chooses weights, if that is not where they are reported
    left_out: dict[str, str] = field(default_factory=dict)  # name -> reason of what was found broken on the way

    def leave_out(self, lost: Mapping[int, str], names: Sequence[str] | None) -> None:
        """From now on without these samples of the listing with these names: their pictures cannot be read."""
        ids = list(lost)
        self.left_out |= {} if names is None else {names[sample]: why for sample, why in lost.items()}
        if names is self.source.names:
            self.train_ids = np.setdiff1d(self.train_ids, ids)
            self.source = self.source.part(np.setdiff1d(self.source.ids, ids))
        if self.check is not None and names is self.check.names:
            self.check_ids = np.setdiff1d(self.check_ids, ids)
            self.check = self.check.part(np.setdiff1d(self.check.ids, ids))

    def look_at_all(self) -> None:
        """Leave out all that cannot be read, also of what nobody has looked at so far."""
        for source, ids in ((self.source, self.train_ids), (self.check, self.check_ids)):
            if source is not None:
                self.leave_out(source.unreadable(ids), source.names)

    def skipped(self) -> list[dict[str, str]]:
        """What could not be used, for the record: names with reasons."""
        known = {sample.name: sample.reason for each in (self.source, self.check) if each for sample in each.skipped}
        return [{"name": shown(name), "reason": why} for name, why in (known | self.left_out).items()]


@dataclass(frozen=True)
class Request:
    """What `kontrast evaluate` was asked for.

    protocols   names of tests; none: all that fit the data
    split       the value of the `split` column;  labels  "folder", or the column with the names
    train_data  labelled data that neighbours and probes may learn from
    classes     for zero-shot: the column with the names, or a text file with a name a line
    templates   for zero-shot: "80", "7" or a text file with a sentence a line
    follow_links  read what symbolic links in a folder of pictures lead to, wherever it lies
    """

    protocols: tuple[str, ...] = ()
    split: str | None = None
    labels: str | None = None
    train_data: Any = None
    classes: str | None = None
    templates: str | None = None
    seed: int = 0
    follow_links: bool = False


@dataclass(frozen=True)
class Sections:
    """What a kind of data shows in a report, beside verdict, table and curves.

    pairs       a sheet of real positive pairs
    neighbours  held-out pictures with their neighbours, from `report.image_neighbours`
    more        further sections as HTML, from `report.sections`
    commands    what to type next
    """

    pairs: Image.Image | None = None
    neighbours: Sequence[Question] = ()
    more: Sequence[str] = ()
    commands: Sequence[str] = ()


class InUse(Protocol):
    """A trained model in use: always fp32, evaluation mode, the same look at everything."""

    encoder: Any  # an `nn.Module`
    words: bool  # it takes sentences too, in `embed_text`

    @property
    def width(self) -> int: ...
    def embed(self, data: Any) -> Any: ...
    def embed_text(self, sentences: Sequence[str]) -> Tensor: ...

    def read(self, data: Any, split: str | None = None, **how: Any) -> Source:
        """The data as the model takes them; `how` they are opened goes to `open_source`. Unfit where it cannot."""

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """Vectors (N, H), fp32, on the CPU, of these samples of what `read` gave."""

    def called(self, source: Source) -> list[str]:
        """What a person calls each usable sample: a file, a row, the sentence itself."""

    def asked(self, query: str) -> tuple[Any, Tensor | None]:
        """(vector (H,), picture to show or None) of a query of `kontrast search`; Unfit for what it cannot take."""

    def random(self, seed: int = 0) -> Any: ...
    def with_weights(self, weights: Mapping[str, Tensor]) -> Any: ...


class Opened(Protocol):
    """A kind of data made ready for one run.

    encoder  what is trained: an `nn.Module` with `width` and `messages`
    learned  it begins with weights that know something
    masks    dropout masks make the second view: checks keep them on, or there would be nothing to find
    """

    encoder: Any
    learned: bool
    masks: bool

    def batches(self, source: Source, sampler: Sampler, *, training: bool) -> Batches:
        """Batches of these samples; with the random negatives that were asked for, if `training`."""

    def model(self, encoder: Any) -> Any:
        """The model in use that has this trained encoder."""

    def score(self, model: Any, source: Source, ids: Ids) -> dict[str, float]:
        """name -> number: how good it is on held-out data; higher is better, and the first one decides."""

    def export(self, folder: Path, model: Any, about: About) -> Certificate:
        """Write the folder that other libraries load, read it again, and compare."""

    def evaluate(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON of an evaluation of these models on the held-out part, with raw input beside them."""

    def table(self, result: Mapping[str, Any]) -> list[str]:
        """The evaluation as lines for a terminal."""

    def sentence(self, result: Mapping[str, Any]) -> str:
        """What was learned, in a sentence."""

    def sections(self, columns: Mapping[str, Any], result: Mapping[str, Any], run: Path) -> Sections:
        """What the report of this run shows."""


class Modality(Protocol):
    """A kind of data.

    name      as methods name what they read: images, pairs, texts
    channels  how many the pictures must have; None: as many as they have
    pictures  its samples are pictures, or have some
    groups    `--same` means something to it: its batches can bring two of a group together
    unused    settings that nothing of this kind looks at: asked for, they are refused
    """

    name: str
    channels: int | None
    pictures: bool
    groups: bool
    unused: tuple[str, ...]

    def precheck(self, settings: Settings) -> None:
        """Unfit where the words alone, before data are read, name an encoder that is not there."""

    def check(self, source: Source, settings: Settings) -> None:
        """Unfit where a method that reads this kind cannot learn from the source."""

    def weights(self, settings: Settings, weights_from: str | Path | None) -> tuple[str, int] | None:
        """Of the weights that a run on pictures begins with: the encoder's name, and the size of pictures they know."""

    def recipe(self, plan: Plan, source: Source) -> Recipe | None:
        """How views of pictures are drawn; None where there are none."""

    def open(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> Opened: ...

    def holds(self, folder: Path) -> bool:
        """Whether a model folder is of this kind."""

    def load(self, folder: Path) -> Any:
        """The model in use of a model folder."""

    def evaluate(self, path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
        """(the JSON, the lines of its table) of a run or model folder on any data of this kind."""
