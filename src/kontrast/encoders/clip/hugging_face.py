"""Any Hugging Face encoder as CLIP's text tower, in open_clip's shape.

Shapes: B rows, T tokens, W features of the encoder, E embedding width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kontrast.encoders.no_code import refuse_code
from kontrast.errors import Unfit


class HuggingFaceTower(nn.Module):
    """Any Hugging Face encoder, pooled, and a projection, under open_clip's names: `transformer` and `proj`.

    pooler      "mean_pooler": the mean over tokens; "cls_last_hidden_state_pooler": the first token
    projection  "linear": one matrix; "mlp": two with a GELU between, as open_clip's default
    Padding is told by `pad_token_id`, as in open_clip, so ids are all that it needs.
    """

    cuttable = True

    def __init__(self, inner: nn.Module, embed: int, pooler: str, projection: str) -> None:
        super().__init__()
        if pooler not in ("mean_pooler", "cls_last_hidden_state_pooler"):
            raise Unfit(f"kontrast does not build hf_pooler_type={pooler!r}; it builds mean_pooler.")
        self.transformer = inner
        self.pooler_type = pooler
        config: Any = inner.config
        self.pad_id, width = int(config.pad_token_id), int(config.hidden_size)
        self.context = int(config.max_position_embeddings)
        if projection == "linear":
            self.proj: nn.Module = nn.Linear(width, embed, bias=False)
        elif projection == "mlp":
            hidden = (width + embed) // 2
            self.proj = nn.Sequential(
                nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, embed, bias=False)
            )
        else:
            raise Unfit(f'kontrast does not build hf_proj_type={projection!r}; it builds "linear" and "mlp".')

    @property
    def before(self) -> nn.Module:
        """What stands before the projection."""
        return self.transformer

    def forward(self, words: Tensor) -> Tensor:
        """Ids (B, T), or what `read` made of them (B, W), to (B, E)."""
        embedded_BE: Tensor = self.proj(words if words.is_floating_point() else self.read(words))
        return embedded_BE

    def read(self, ids_BT: Tensor) -> Tensor:
        """The encoder's pooled output, (B, W): all that stands still where this tower is locked."""
        mask_BT = (ids_BT != self.pad_id).long()
        hidden_BTW = self.transformer(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        if self.pooler_type == "mean_pooler":
            mask_BT1 = mask_BT[..., None].to(hidden_BTW.dtype)
            pooled_BW: Tensor = (hidden_BTW * mask_BT1).sum(1) / mask_BT1.sum(1)
        else:
            pooled_BW = hidden_BTW[:, 0]
        return pooled_BW


def hugging_face(folder: Path, *, weights: bool = False) -> nn.Module:
    """The Hugging Face encoder of a folder: with the folder's own weights, or random ones and without its pooler."""
    try:
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging
    except ImportError:
        raise Unfit("A Hugging Face text tower needs transformers: pip install 'kontrast[text]'.") from None
    if not (folder / "config.json").is_file():
        raise Unfit(
            f"The text tower {str(folder)!r} is not a folder with a config.json; a name would have to be fetched from "
            "the internet. Download it and give the folder."
        )
    refuse_code(folder)
    logging.disable_progress_bar()
    if weights:
        inner: nn.Module = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    else:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        inner = AutoModel.from_config(config, trust_remote_code=False, add_pooling_layer=False)
    return inner
