from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data() -> Path:
    """The shared data folder; tests that need it are skipped without it."""
    folder = Path(os.environ.get("KONTRAST_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs the data folder {folder}; set KONTRAST_DATA")
    return folder
