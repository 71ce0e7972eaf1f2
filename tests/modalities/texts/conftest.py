"""One run on triplets of sentences, for all tests of this folder."""

import pytest
from tests.modalities.texts.topics import QUICK, words_of

import kontrast


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "sentences.txt").write_text("\n".join(words_of(row) for row in range(240)))
    rows = [f"{words_of(n)},{words_of(n + 240)},{words_of(n + 241)}" for n in range(160)]
    (folder / "nli.csv").write_text("\n".join(["anchor,positive,hard_negative", *rows]))
    rows = [f"{words_of(n)},{words_of(n + 4 - n % 2)},{5 * (1 - n % 2)}" for n in range(60)]
    (folder / "sts").mkdir()
    for name in ("one", "two"):
        (folder / "sts" / f"{name}.csv").write_text("\n".join(["sentence1,sentence2,score", *rows]))
    return folder


@pytest.fixture(scope="session")
def run(data, tmp_path_factory):
    return kontrast.train(data / "nli.csv", out=str(tmp_path_factory.mktemp("runs") / "run"), **QUICK)
