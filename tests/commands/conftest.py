"""One quick run on the digits, for all verbs."""

import pytest

import kontrast


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("verbs") / "run"
    words = {"method": "simclr", "epochs": 1, "batch_size": 256, "validate": "none", "threads": 1}
    return kontrast.train("digits", out=str(out), say=lambda _: None, **words).path
