"""Matryoshka: the first columns of the encoder's output stand alone (`--widths 64,128,256`).

positives   those of the method it is laid over
encoder     the method's own; its features are cut to each width in turn, the other columns zero
negatives   those of the method; a slow twin answers with its whole width, so all keys of a queue are of one kind
similarity  the method's
loss        the mean of the method's loss over all widths, the whole one among them

Kusupati et al.: Matryoshka Representation Learning, NeurIPS 2022, arXiv:2205.13147, equation 1 with equal weights.
Nobody names it as a method: `--widths` lays it over any of them. Zero columns and missing ones are the same to what
stands on the encoder: to a head's first layer, and to a cosine. So Barlow Twins, BYOL and SwAV are at each width what
they would be on a narrower encoder. Left out: other weights than equal ones.
"""

# Shapes: B rows, H encoder width.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.norm import still
from kontrast.encoders.text.masked_words import Predictor
from kontrast.encoders.twin import Twin
from kontrast.errors import Unfit
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress
from kontrast.negatives.queue import Ring

MARK = " columns "  # between a width and the name of a role


def laid_over(method: Any, width: int, widths: Sequence[int]) -> Any:
    """The method under which these first columns stand alone; itself where no widths are asked for.

    width  H; it always counts among the widths. Unfit for widths beyond it, and where a method remembers or computes
           what has no narrower form.
    """
    if not widths:
        return method
    asked = ",".join(map(str, widths))
    if widths[-1] > width:
        raise Unfit(f"--widths {asked}: the encoder's vectors have {width} columns, and {widths[-1]} is more.")
    parts = list(method.modules())
    if any(isinstance(part, Ring) for part in parts) and not any(isinstance(part, Twin) for part in parts):
        raise Unfit(
            f"--widths {asked}: a queue would hold the whole width, and queries of fewer columns would know its keys "
            "by that. Leave the queue out, or take moco, whose keys are whole at every width."
        )
    if any(isinstance(part, Predictor) for part in parts):
        raise Unfit(f"--widths {asked}: masked words are told from all columns; leave mlm out.")
    return Matryoshka(method, [*(each for each in widths if each < width), width])


class Matryoshka(nn.Module):
    """A method under which the first columns stand alone. What is stored is the method's own, name by name.

    widths  ascending, the whole width last
    """

    def __init__(self, method: Any, widths: Sequence[int]) -> None:
        super().__init__()
        self.method, self.widths = method, tuple(widths)

    @property
    def encoder(self) -> Any:
        return self.method.encoder

    def embed(self, batch: Batch) -> Embeddings:
        """Every sample through the encoder once; its features, cut to each width, through what stands on it.

        The whole width goes first, and alone moves the running statistics of the head's norms.
        """
        read: list[Tensor] = []
        whole: Embeddings | None = None
        roles: dict[str, Tensor] = {}
        for width in reversed(self.widths):
            with first_columns(self.method, width, read), nullcontext() if whole is None else still(self.method):
                z: Embeddings = self.method.embed(batch)
            whole = whole or z
            roles |= {f"{width}{MARK}{name}": role for name, role in z.roles.items()}
        assert whole is not None
        return replace(whole, roles=roles)

    def compare(self, z: Embeddings) -> Outcome:
        """The method's loss at each width; the mean of them. What the watch sees is the whole width."""
        each = [self.method.compare(replace(z, roles=_of(z.roles, width))) for width in self.widths]
        whole: Outcome = each[-1]
        guesses = [outcome.guessing for outcome in each]
        guessing = None if None in guesses else sum(guesses) / len(each)
        return replace(whole, loss=torch.stack([outcome.loss for outcome in each]).mean(), guessing=guessing)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """The method's own memory, of the whole width."""
        self.method.after_step(outcome, progress)

    def parameter_groups(self) -> list[Group]:
        """The method's own."""
        groups: list[Group] = self.method.parameter_groups()
        return groups

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.method.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        return self.method.load_state_dict(state_dict, strict, assign)


def _of(roles: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
    start = f"{width}{MARK}"
    return {name.removeprefix(start): role for name, role in roles.items() if name.startswith(start)}


@contextmanager
def first_columns(method: Any, width: int, read: list[Tensor]) -> Iterator[None]:
    """Inside, the encoder gives its first `width` columns, the others zero, and computes only what `read` lacks.

    read: features and the twin's answers, in the order in which the method asks; the same for every width of a step
    """
    place = iter(range(1 << 30))

    def once(computed: Callable[..., Tensor], columns: int | None) -> Callable[..., Tensor]:
        def forward(*given: Any) -> Tensor:
            at = next(place)
            if at == len(read):
                read.append(computed(*given))
            found = read[at]
            if columns is None or columns >= found.shape[-1]:
                return found
            return torch.cat([found[..., :columns], torch.zeros_like(found[..., columns:])], dim=-1)

        return forward

    with ExitStack() as put_back:
        for module in (method.encoder, *(part for part in method.modules() if isinstance(part, Twin))):
            columns = None if isinstance(module, Twin) else width
            for name in ("forward", "encode_text") if isinstance(module, Towers) else ("forward",):
                put_back.enter_context(_replaced(module, name, once(getattr(module, name), columns)))
        yield


@contextmanager
def _replaced(module: Any, name: str, by: Callable[..., Tensor]) -> Iterator[None]:
    """Inside, this instance has another method of the name: over its class's, or over that of cut batches."""
    own = vars(module)
    before = own.get(name)
    setattr(module, name, by)
    try:
        yield
    finally:
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)
