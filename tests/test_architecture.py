"""The house rules that a reader may rely on, held by reading the source."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "kontrast"
FILES = sorted(SOURCE.rglob("*.py"))
CONCEPTS = {"keyed", "errors", "settings", "similarity", "losses", "negatives", "positives", "encoders"}
MAY_IMPORT = {  # room -> rooms of ours it may import (besides itself)
    "keyed": set(),
    "errors": set(),
    "settings": {"errors"},
    "preprocessing": set(),
    "similarity": {"errors", "keyed"},
    "losses": {"errors", "keyed", "similarity"},
    "negatives": {"errors", "keyed", "similarity", "losses"},
    "positives": {"errors", "keyed", "preprocessing"},
    "encoders": {"errors", "keyed", "settings", "negatives", "preprocessing"},
    "methods": CONCEPTS,
    "training": {"errors", "keyed", "methods.method", "negatives", "settings", "encoders.norm"},
    "data": {"errors", "keyed", "methods.method", "negatives", "positives", "settings"},
    "evaluate": {"errors", "keyed", "data", "positives", "preprocessing", "similarity", "losses"},
    "recipes": {"errors", "settings", "methods", "negatives"},
    "exchange": {"errors", "keyed", "encoders", "positives", "preprocessing", "data", "training.checkpoints"},
}
ONLY_TORCH = {"similarity", "losses", "negatives"}  # of other people's packages
STANDARD_AND_TORCH = {"torch", "numpy"}


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in MAY_IMPORT], ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path):
    allowed = MAY_IMPORT[room(path)] | {room(path)}
    for name in imports(path):
        if name.startswith("kontrast."):
            inner = name.removeprefix("kontrast.")
            assert any(inner == a or inner.startswith(a + ".") for a in allowed), f"{path.name} must not import {name}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ONLY_TORCH], ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_maths_needs_only_torch(path):
    import sys

    for name in imports(path):
        package = name.split(".")[0]
        assert package in sys.stdlib_module_names | STANDARD_AND_TORCH | {"kontrast", "__future__"}, name


def test_training_never_imports_a_method_and_methods_never_each_other():
    methods = {p.stem for p in (SOURCE / "methods").glob("*.py")} - {"__init__", "method"}
    for path in FILES:
        for name in imports(path):
            hit = next((m for m in methods if name.startswith(f"kontrast.methods.{m}")), None)
            assert hit is None or path.stem == hit, f"{path} imports the method {hit}"


def test_no_file_hides_two_ideas_behind_a_name():
    for path in FILES:
        assert path.stem not in {"utils", "helpers", "common", "misc"}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not node.name.startswith("Base") and not node.name.endswith(("Manager", "Helper"))


def test_nothing_is_unpickled_and_no_global_generator_is_seeded():
    forbidden = (
        "torch.load(",
        "import pickle",
        "torch.manual_seed(",
        "np.random.seed(",
        "random.seed(",
        "allow_pickle=True",
    )
    for path in FILES:
        text = path.read_text()
        if path.name == "weight_files.py":  # other people's weights, tensors alone, in this one place
            text = text.replace('torch.load(file, map_location="cpu", weights_only=True)', "")
        for word in forbidden:
            assert word not in text, f"{path}: {word}"
