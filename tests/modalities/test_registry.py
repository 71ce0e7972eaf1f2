"""Every method reads a kind of data that there is, and a folder belongs to the kind that wrote it."""

import json

import pytest

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.modalities import registry


def test_every_method_reads_a_kind_that_there_is():
    for name, entry in methods.METHODS.items():
        assert registry.of_method(name) is registry.MODALITIES[entry.kind]
    assert {kind.name for kind in registry.MODALITIES.values()} == set(registry.MODALITIES)


@pytest.mark.parametrize(
    "kind,file,content",
    [
        ("texts", "modules.json", []),
        ("pairs", "open_clip_config.json", {"model_cfg": {}}),
        ("images", "config.json", {}),
    ],
)
def test_a_folder_is_known_by_what_lies_in_it(tmp_path, kind, file, content):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / file).write_text(json.dumps(content))
    assert registry.of_folder(tmp_path).name == registry.of_folder(tmp_path / "model").name == kind


def test_no_model_is_told(tmp_path):
    with pytest.raises(Unfit, match="holds no model"):
        registry.load(tmp_path)
