"""A folder is data: what wants to bring code of its own along is refused before anything of it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from kontrast.errors import Unfit

ASKING = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


def refuse_code(folder: Path) -> None:
    """Unfit where a configuration names classes of the folder's own (transformers' `auto_map`)."""
    for name in ASKING:
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # its reader says what is wrong with it
        if isinstance(content, dict) and content.get("auto_map"):
            raise Unfit(
                f"{folder} brings its own program ({name}: auto_map), and kontrast runs no code from a folder. Use a "
                "model whose architecture is part of transformers."
            )
