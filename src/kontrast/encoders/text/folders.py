"""Reading other people's sentence models: Hugging Face and sentence-transformers folders.

A BERT folder becomes our own `Bert`, with keyed dropout and no padding; any other architecture runs in transformers.

Shapes: B texts, L tokens of the longest, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kontrast.encoders import hub, weight_files
from kontrast.encoders.text import tokens as tokenizers
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.encoder import UNLIMITED, Table, TextEncoder
from kontrast.encoders.text.layout import Layout
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

BERT_NAMES = {  # ours -> BertConfig's
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
    "epsilon": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}


class Foreign(nn.Module):
    """A transformers model. It draws dropout from torch's global generator, and this is the one place that lends it.

    The generator is set from the rows' keys, so the same batch of a step always has the same masks. They depend on
    which rows come together: with other chunks or process counts set its dropout to 0 where bits must not change.
    """

    def __init__(self, model: Any) -> None:  # a transformers PreTrainedModel
        super().__init__()
        self.model = model

    @classmethod
    def of(cls, config: dict[str, Any], seed: int) -> Foreign:
        """With fresh weights, from the content of a `config.json`."""
        from transformers import AutoConfig

        made = AutoConfig.for_model(**config)
        with drawn_from("encoder", seed):
            return cls(_architecture(made).from_config(made, trust_remote_code=False))

    def words(self) -> Tensor:
        """The vectors of the vocabulary, (vocabulary, H)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, key_B: Tensor | None = None) -> Sequence[Tensor]:
        tokens = {"input_ids": ids_BL, "attention_mask": mask_BL, "output_hidden_states": True}
        if key_B is None:
            return _states(self.model.train(False)(**tokens))
        seed = int(key_B.cpu().sum())
        devices = [ids_BL.device] if ids_BL.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.default_generator.set_state(torch.Generator().manual_seed(seed).get_state())
            if devices:
                torch.cuda.default_generators[ids_BL.device.index or 0].manual_seed(seed)
            return _states(self.model.train(True)(**tokens))


def _states(output: Any) -> Sequence[Tensor]:
    """The hidden states; the last one as the model gives it, after its last norm."""
    return *output.hidden_states[:-1], output.last_hidden_state


def fetched(name: str, pretrained: bool) -> Path:
    """The folder of a model on the hub, from the cache or the internet; Unfit when neither has it."""
    if not pretrained:
        raise Unfit(
            f'There is no folder {name!r}. Give a model folder, "small" or "static"; '
            "a name on the Hugging Face hub needs --pretrained as well."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        with hub.within_reach():
            return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*/config.json"]))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise Unfit(
            f'The model "{name}" is no folder here, and it could not be fetched from the Hugging Face hub '
            "(offline, or no such name). Give the path of a downloaded folder: --encoder FOLDER."
        ) from error


def from_folder(folder: Path, *, pooler: str | None, seed: int, name: str) -> TextEncoder:
    """The encoder in a folder, its pooling read where sentence-transformers wrote it, else the usual one, said."""
    layout = Layout(folder)
    if layout.static is not None:
        return _static(layout, name, pooler)
    config = layout.config()
    messages = []
    chosen = pooler or layout.pooler
    if pooler is not None and pooler != layout.pooler and layout.dense:
        raise Unfit(f"{name} has layers made for its own pooling ({layout.pooler}): leave --pooler out.")
    if chosen is None:
        chosen = "last" if _is_decoder(config) else "mean"
        how = "last token, which alone has seen the others," if chosen == "last" else "mean over tokens"
        messages.append(f"{name} names no pooling: the {how} is taken (--pooler changes it)")
    tokenizer = replace(
        tokenizers.read(
            layout.model, max_length=layout.length(config), pad_id=config.get("pad_token_id"), lower=layout.lower
        ),
        prompt=layout.prompt,
    )
    if layout.prompt:
        messages.append(f"prompt: {layout.prompt!r} stands before every text, as {name} says")
    spec = {"pooler": chosen, "max_length": tokenizer.max_length, "lower": layout.lower, **_afterwards(layout)}
    net: Bert | Foreign
    if _is_plain_bert(config):
        shape = {ours: config[theirs] for ours, theirs in BERT_NAMES.items() if theirs in config}
        spec |= {"name": "bert", "shape": shape}
        net = Bert(Shape(**shape), seed=seed)
        _fill(net, weight_files.read(layout.model), name)
        hidden = net.shape.width
    else:
        spec |= {"name": "huggingface", "config": config}
        net = _foreign(layout.model, name)
        hidden = int(net.model.config.hidden_size)
    if chosen == "cls":
        spec |= {"dense": []}
    whole = layout.dense[-1]["out"] if spec["dense"] else hidden * len(chosen.split("+"))
    spec |= {"hidden": hidden, "width": min(whole, layout.truncate or whole)}
    encoder = TextEncoder(net, tokenizer, spec, tuple(messages), seed=seed)
    layers = [encoder.dense] if chosen == "cls" else [each for each in encoder.after if isinstance(each, nn.Linear)]
    for layer, weights in zip(layers, layout.dense_weights):
        layer.load_state_dict({key.removeprefix("linear."): value for key, value in weights.items()})
    return encoder


def _afterwards(layout: Layout) -> dict[str, Any]:
    """Of a `spec`, what is done to the pooled vector, and the prompts."""
    return {
        "normalize": layout.normalize,
        "dense": layout.dense,
        "truncate": layout.truncate,
        "prompts": layout.prompts,
        "prompt_name": layout.prompt_name,
        "include_prompt": layout.include_prompt,
    }


def _is_decoder(config: dict[str, Any]) -> bool:
    """Whether a token of this architecture sees only those before it: it writes text, and fills no gaps."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = config["model_type"]
    return kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _is_plain_bert(config: dict[str, Any]) -> bool:
    return (
        config["model_type"] == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def _fill(net: Bert, weights: dict[str, Tensor], name: str) -> None:
    """Load, past the heads that came with the weights (pooler, masked words); all of the net's own must be there."""
    weights = {_renamed(key.removeprefix("bert.")): value.float() for key, value in weights.items()}
    mine = net.state_dict()
    missing = [key for key in mine if key not in weights]
    deeper = [key for key in weights if key.startswith("encoder.") and key not in mine]
    if missing or deeper:
        told = f"miss {missing[0]}" if missing else f"hold {deeper[0]}, which config.json does not count"
        raise Unfit(f"{name}: its weights {told}.")
    for key, tensor in mine.items():
        if tensor.shape != weights[key].shape:
            shapes = f"{tuple(weights[key].shape)}, and config.json says {tuple(tensor.shape)}"
            raise Unfit(f"{name}: of its weights {key} is {shapes}.")
    net.load_state_dict({key: weights[key] for key in mine})


def _renamed(key: str) -> str:
    """The oldest BERT files call the weight and the bias of a LayerNorm gamma and beta."""
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _foreign(folder: Path, name: str) -> Foreign:
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        with drawn_from("encoder", 0):  # a head that the folder lacks is drawn, and never used
            model, found = _architecture(config).from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Unfit:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        told = " ".join(str(error).split())[:300]
        raise Unfit(f"{name}: transformers cannot load this folder: {told}") from error
    if missing := sorted(key for key in found["missing_keys"] if not key.startswith("pooler.")):
        raise Unfit(f"{name}: its weights miss {missing[0]}.")
    return Foreign(model)


def _architecture(config: Any) -> Any:
    """transformers' class for the whole network, or for the encoder of one that has a decoder too."""
    from transformers import AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES

    if config.is_encoder_decoder or config.model_type in ("t5", "mt5", "umt5"):
        if config.model_type not in MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES:
            raise Unfit(f"{config.model_type} has an encoder and a decoder, and transformers does not part them.")
        return AutoModelForTextEncoding
    return AutoModel


def _static(layout: Layout, name: str, pooler: str | None) -> TextEncoder:
    if pooler not in (None, "mean"):
        raise Unfit(f"{name} averages its word vectors: --pooler mean, not {pooler}.")
    assert layout.static is not None
    weight = weight_files.read(layout.static)["embedding.weight"].float()
    if layout.dense:
        raise Unfit(f"{name}: kontrast builds no Dense after a StaticEmbedding.")
    tokenizer = replace(tokenizers.read(layout.static, max_length=UNLIMITED, special=False), prompt=layout.prompt)
    table = Table(*weight.shape)
    table.load_state_dict({"embedding.weight": weight})
    spec = {
        "name": "static",
        "shape": {"vocabulary": len(weight), "width": weight.shape[1]},
        "hidden": weight.shape[1],
        "width": min(weight.shape[1], layout.truncate or weight.shape[1]),
        "pooler": "mean",
        "max_length": tokenizer.max_length,
        "lower": False,
        **_afterwards(layout),
    }
    return TextEncoder(table, tokenizer, spec)
