"""A Hugging Face encoder as a text tower: padding does not count, what is read once need not be read again."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from kontrast.encoders.clip.hugging_face import HuggingFaceTower, hugging_face
from kontrast.errors import Unfit


class Words(nn.Module):
    """A table of vectors that looks like a transformer."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=0, hidden_size=6, max_position_embeddings=9)
        self.table = nn.Embedding(20, 6)

    def forward(self, input_ids, attention_mask):
        return SimpleNamespace(last_hidden_state=self.table(input_ids))


@pytest.mark.parametrize("pooler", ["mean_pooler", "cls_last_hidden_state_pooler"])
@pytest.mark.parametrize("projection", ["linear", "mlp"])
def test_padding_does_not_count_and_reading_once_is_enough(pooler, projection):
    tower = HuggingFaceTower(Words(), 4, pooler, projection)
    short, long = torch.tensor([[5, 7, 9]]), torch.tensor([[5, 7, 9, 0, 0]])
    torch.testing.assert_close(tower(short), tower(long))
    read = tower.read(short)
    wanted = tower.transformer.table(short)[0]
    torch.testing.assert_close(read[0], wanted.mean(0) if pooler == "mean_pooler" else wanted[0])
    torch.testing.assert_close(tower(read), tower(short))


def test_what_is_not_built_is_refused(tmp_path):
    with pytest.raises(Unfit, match="hf_pooler_type='max_pooler'"):
        HuggingFaceTower(Words(), 4, "max_pooler", "linear")
    with pytest.raises(Unfit, match="hf_proj_type='none'"):
        HuggingFaceTower(Words(), 4, "mean_pooler", "none")
    pytest.importorskip("transformers", reason="transformers is not installed")
    with pytest.raises(Unfit, match=r"not a folder with a config\.json"):
        hugging_face(tmp_path / "bert-base-uncased")
