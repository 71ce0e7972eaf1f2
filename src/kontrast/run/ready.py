"""What stands ready to be trained: a plan with its encoder, its method, and where it begins."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kontrast.encoders import tuning
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit
from kontrast.methods.matryoshka import laid_over
from kontrast.methods.outside import told
from kontrast.methods.supervised import supervised
from kontrast.modalities import registry
from kontrast.modalities.modality import Opened, Samples
from kontrast.recipes.resolve import Plan, complete
from kontrast.run import chunking
from kontrast.run.result import Start
from kontrast.settings import widths_of
from kontrast.training import checkpoints
from kontrast.training.run_folder import Folder


@dataclass
class Ready:
    """All that is needed to train: from the beginning, or from a checkpoint's (tensors, state).

    began  the model in use with the weights as they were, where the encoder comes with weights that know something
    """

    folder: Folder | None  # of the first process alone
    plan: Plan
    samples: Samples
    opened: Opened
    method: Any
    began: Any = None
    start: Start | None = None

    def what(self) -> str:
        """What all processes must agree about."""
        step = self.start[1]["step"] if self.start else 0
        return f"{complete(self.plan, '')} {self.samples.source.fingerprint} {step}"

    @cached_property
    def began_digest(self) -> str:
        """Of the weights that it began with; "" of random ones."""
        return "" if self.began is None else checkpoints.digest(self.began.encoder.state_dict(), "")

    def steps(self) -> tuple[int, int]:
        """(steps of an epoch, steps of the whole run)."""
        return steps(self.plan, self.samples)


def steps(plan: Plan, samples: Samples) -> tuple[int, int]:
    """(steps of an epoch, steps of the whole run)."""
    per_epoch = len(samples.train_ids) // plan.settings.batch_size
    return per_epoch, per_epoch * plan.settings.epochs


def put_together(plan: Plan, samples: Samples, weights_from: str | Path | None) -> Ready:
    """The encoder, the batches' maker and the method of a plan; Unfit where they cannot be cut as it says."""
    opened = registry.of_method(plan.settings.method).open(plan, samples, weights_from)
    began = opened.model(_as_it_is(opened.encoder, samples.device)) if opened.learned else None
    _tuned(opened, plan)
    made = _made(plan, opened.encoder)
    chunking.checked(made, plan.settings)
    source = samples.source
    scored, grouped = source.kind == "scored_pairs", source.groups is not None
    method = supervised(made, plan.settings.method, scored=scored, grouped=grouped)
    method = laid_over(method, opened.encoder.width, widths_of(plan.settings.widths))
    return Ready(None, plan, samples, opened, method, began)


def _as_it_is(encoder: nn.Module, device: torch.device) -> nn.Module:
    """A copy, laid out as the one that is trained."""
    copied: nn.Module = copy.deepcopy(encoder).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return copied.eval()


def _tuned(opened: Opened, plan: Plan) -> None:
    """What `--tune` lets move is all that moves."""
    s = plan.settings
    if s.tune is None:
        return
    if not opened.learned:
        raise Unfit(
            f"--tune {s.tune} is for trained weights, and this encoder begins with random ones, of which all must "
            "move: --encoder FOLDER, --pretrained or --from RUN gives trained ones."
        )
    told = tuning.tune(opened.encoder, tuning.parsed(s.tune), seed=s.seed)
    opened.encoder.messages = (*opened.encoder.messages, told)


def _made(plan: Plan, encoder: Any) -> Any:
    """The method on its encoder. What draws its first weights from torch's generator draws them by the seed."""
    made_by, _ = plan.entry.load()
    with drawn_from("method", plan.settings.seed):
        try:
            return made_by(encoder, encoder.width, plan.config, seed=plan.settings.seed)
        except Exception as problem:
            if plan.entry.outside is None:
                raise
            file = plan.entry.outside.reference.rpartition(":")[0]
            raise Unfit(f"--method {file} cannot be made with {plan.config}: {told(problem, file)}.") from problem
