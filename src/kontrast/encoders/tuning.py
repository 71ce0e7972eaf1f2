"""Which weights of a trained encoder move: `--tune full | last:N | head | lora:R`.

    full     all of them
    last:N   the last N layers
    head     none: a linear layer after the features, begun as the identity, learns and stays with the encoder
    lora:R   beside each linear layer of a transformer's blocks a product of two matrices of rank R (Hu et al. 2021,
             arXiv:2106.09685), by peft; the encoder's own weights stand still, and the products join them at the end

A layer is what its library calls one (timm's groups), a block of a transformer, or a child of a plain stack. What
stands still has `requires_grad` off: it costs no gradient and no optimizer state, and checkpoints leave it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

WAYS = ("full", "last:N", "head", "lora:R")
ALPHA = 2  # of LoRA, in ranks: what is added is 2 B A x


@dataclass(frozen=True)
class Tuning:
    """`--tune`, read. number: of layers, or the rank."""

    how: str = "full"
    number: int = 0

    def __str__(self) -> str:
        return f"{self.how}:{self.number}" if self.number else self.how


def parsed(text: str) -> Tuning:
    """Unfit, with the ways there are, for what is none of them."""
    found = re.fullmatch(r"(full|head)|(last|lora):([1-9]\d*)", text.strip(), re.ASCII)
    if found is None:
        raise Unfit(f"--tune {text!r}: expected {', '.join(WAYS[:-1])} or {WAYS[-1]}, N and R from 1 on.")
    return Tuning(found[1] or found[2], int(found[3] or 0))


def tune(encoder: Any, how: Tuning, *, seed: int = 0) -> str:
    """Let move what is to move; returns what does, in a sentence. Unfit where the encoder has no such layers.

    encoder: an `ImageEncoder` or a `TextEncoder`. Where weights are drawn (LoRA's first matrices) the seed decides.
    """
    if how.how == "lora":
        _put_lora(encoder.net, how.number, seed)
        moves = [p for name, p in encoder.named_parameters() if "lora_" in name]
    elif how.how == "head":
        moves = list(encoder.add_head().parameters())
    elif how.how == "last":
        parts = layers(encoder)
        if how.number > len(parts):
            raise Unfit(f"--tune {how}: this encoder has {len(parts)} layers.")
        moves = [p for part in parts[-how.number :] for p in part]
    else:
        moves = list(encoder.parameters())
    ids = {id(p) for p in moves}
    for p in encoder.parameters():
        p.requires_grad_(id(p) in ids)
    whole = sum(p.numel() for p in encoder.parameters())
    return f"tune {how}: {sum(p.numel() for p in moves):,} of {whole:,} weights move"


def layers(encoder: Any) -> list[list[nn.Parameter]]:
    """The parameters by layer, from the input to the output, each once. What stands after the net is the last layer."""
    seen: set[int] = set()
    found = []
    for part in (*_parts(encoder.net), list(encoder.parameters())):
        own = [p for p in part if id(p) not in seen]
        seen |= {id(p) for p in own}
        if own:
            found.append(own)
    return found


def _parts(net: nn.Module) -> Iterator[list[nn.Parameter]]:
    if hasattr(net, "group_matcher"):  # timm says what its layers are
        from timm.models import group_parameters

        named = dict(net.named_parameters())
        for _, names in sorted(group_parameters(net, net.group_matcher(coarse=False)).items()):  # type: ignore[operator]
            yield [named[name] for name in names]
        return
    blocks = max(_stacks(net), key=len, default=[])
    inside = {id(p) for block in blocks for p in block.parameters()}
    if len(blocks) < 2:
        for child in net.children():
            yield list(child.parameters())
        return
    order = [id(p) in inside for p in net.parameters()]
    first = order.index(True)
    parameters = list(net.parameters())
    yield [p for p in parameters[:first] if id(p) not in inside]
    for block in blocks:
        yield list(block.parameters())
    yield [p for p in parameters[first:] if id(p) not in inside]


def _stacks(net: nn.Module) -> Iterator[list[nn.Module]]:
    """Runs of blocks of one kind: the layers of a transformer."""
    for module in net.modules():
        if isinstance(module, nn.ModuleList | nn.Sequential):
            children = list(module.children())
            if len({type(child) for child in children}) == 1 and any(True for _ in children[0].parameters()):
                yield children


def _put_lora(net: nn.Module, rank: int, seed: int) -> None:
    """A low-rank product beside each linear layer inside the blocks of a transformer; at first it adds nothing."""
    names = _linear_in_blocks(net)
    if not names:
        raise Unfit("--tune lora:R is for transformers, and this encoder is none: take --tune last:N, head or full.")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise Unfit('--tune lora:R needs peft: pip install "kontrast[adapt]".') from None
    config = LoraConfig(r=rank, lora_alpha=ALPHA * rank, target_modules=names, lora_dropout=0.0, bias="none")
    with drawn_from("lora", seed):  # peft draws from torch's global generator
        inject_adapter_in_model(config, net)


def attends(net: nn.Module) -> bool:
    """Whether it is a transformer that LoRA fits."""
    return bool(_linear_in_blocks(net))


def _linear_in_blocks(net: nn.Module) -> list[str]:
    """The linear layers of the blocks that attend, but for those whose weights torch's attention reads by itself."""
    blocks = [block for stack in _stacks(net) for block in stack if any("att" in name for name, _ in _named(block))]
    fixed = {id(m) for part in net.modules() if isinstance(part, nn.MultiheadAttention) for m in part.modules()}
    inside = {id(m) for block in blocks for m in block.modules() if isinstance(m, nn.Linear)} - fixed
    return [name for name, m in net.named_modules() if id(m) in inside]


def _named(block: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((name, m) for name, m in block.named_modules() if any(isinstance(c, nn.Linear) for c in m.modules()))


def still(encoder: nn.Module) -> set[str]:
    """Names of the parameters that stand still, as its state dict has them."""
    return {name for name, p in encoder.named_parameters() if not p.requires_grad}


def moving(encoder: nn.Module) -> dict[str, Tensor]:
    """The state dict without what stands still."""
    left_out = still(encoder)
    return {name: tensor for name, tensor in encoder.state_dict().items() if name not in left_out}


@torch.no_grad()
def plain(encoder: nn.Module, moved: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The state dict with LoRA's products added into the weights they stand beside: W + 2 B A. Nothing is shared.

    moved: what `moving` gave at another time, in place of the weights that move now
    """
    state = {name: tensor.detach().clone() for name, tensor in {**encoder.state_dict(), **(moved or {})}.items()}
    for name in [name for name in state if name.endswith(".base_layer.weight")]:
        stem = name.removesuffix("base_layer.weight")
        a_RI, b_OR = (state.pop(f"{stem}lora_{letter}.default.weight") for letter in "AB")
        state[f"{stem}weight"] = state.pop(name) + ALPHA * (b_OR @ a_RI)
        if f"{stem}base_layer.bias" in state:
            state[f"{stem}bias"] = state.pop(f"{stem}base_layer.bias")
    return state


@torch.no_grad()
def merged(encoder: nn.Module) -> nn.Module:
    """The same encoder with LoRA's products in its own weights, and no trace of peft; in place. Others stay as is."""
    state = plain(encoder)
    for name, layer in [(name, m) for name, m in encoder.named_modules() if "base_layer" in dict(m.named_children())]:
        encoder.set_submodule(name, layer.base_layer)
    encoder.load_state_dict(state)
    return encoder


def constant(method: nn.Module, encoder: nn.Module) -> set[str]:
    """Names in the method's state dict of what stands still: the encoder's own weights, and a twin's copies of them."""
    left_out = tuple(still(encoder))
    fixed = [name for name, p in method.named_parameters(remove_duplicate=False) if not p.requires_grad]
    return {name for name in fixed if left_out and f".{name}".endswith(tuple(f".{own}" for own in left_out))}
