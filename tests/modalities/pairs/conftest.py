"""One run on coloured pictures and their captions, for all tests of this folder."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.modalities.pairs.coloured import COLOURS, QUICK

import kontrast


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """120 pictures of one colour each, their captions and their colour as a label."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    draw, cells, captions, names = np.random.default_rng(0), [], [], []
    for row in range(120):
        name = list(COLOURS)[row % 4]
        pixels = np.array(COLOURS[name]) + draw.integers(-20, 20, (12, 12, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "png")
        cells.append({"bytes": buffer.getvalue(), "path": None})
        captions.append([f"a {name} picture", f"it is {name}"])
        names.append(name)
    path = tmp_path_factory.mktemp("pairs") / "pairs.parquet"
    table = pa.table({"image": cells, "captions": captions, "colour": names})
    pytest.importorskip("pyarrow.parquet").write_table(table, path)
    return path


@pytest.fixture(scope="session")
def run(data, tmp_path_factory):
    said = []
    out = tmp_path_factory.mktemp("runs") / "run"
    made = kontrast.train(data, labels="colour", out=str(out), say=said.append, **QUICK)
    return made, said
