"""How the house stands: who may import whom, what the maths needs, and numbers that may not grow.

Every import counts: those inside functions, and those for types alone. A room is a folder, or a file beside the
folders; `benchmarks/house.py` says which folders within folders are rooms by themselves.
"""

import ast
import sys
from pathlib import Path

import pytest

from benchmarks import house

SOURCE = Path(__file__).parents[1] / "src" / "kontrast"
FILES = sorted(SOURCE.rglob("*.py"))
TEXTS = house.here()
IMPORTS = house.graph(TEXTS, types=True)  # module -> modules
ROOMS = house.rooms(TEXTS, IMPORTS)  # room -> rooms

# What each room may import, from the ground up. A folder and the rooms within it are one house front: data/source.py
# lies beneath data/readers, data/open.py above; that no module goes in a circle is tested apart.
ALLOWED = {
    "errors": "",
    "keyed": "",
    "files": "",
    "preprocessing": "",
    "moved": "",
    "progress": "",
    "similarity": "",
    "strict_json": "",
    "distributed": "errors",
    "settings": "errors",
    # what contrastive learning is
    "positives": "keyed",
    "positives/images": "errors keyed preprocessing",
    "positives/texts": "errors keyed",
    "positives/novel_views": "errors keyed progress",
    "losses/engine": "similarity",
    "losses": "losses/engine similarity",
    "negatives": "errors keyed losses losses/engine positives/texts similarity",
    "encoders": "distributed errors files keyed",
    "encoders/images": "encoders errors preprocessing",
    "encoders/text": "encoders errors files keyed progress",
    "encoders/clip": "encoders encoders/images encoders/text errors files progress",
    "methods": "distributed encoders encoders/clip encoders/text errors losses negatives settings similarity",
    # what it is run on, and how
    "data/pixels": "errors files keyed progress",
    "data/readers": "data data/pixels errors files keyed progress",
    "data": "data/pixels data/readers errors keyed",
    "recipes": "errors methods negatives settings",
    "training": "distributed encoders errors files keyed methods settings strict_json",
    # whether it worked, a look at it, taking it elsewhere
    "evaluate": "data errors keyed positives/images preprocessing progress similarity",
    "exchange": "encoders encoders/clip encoders/images encoders/text errors files keyed preprocessing progress",
    "report": "data evaluate files keyed positives/images preprocessing",
    # one contract for every kind of data; none knows a run or a verb
    "modalities": "data data/readers encoders errors exchange keyed methods modalities/images modalities/pairs"
    " modalities/texts positives/images recipes report settings training",
    "modalities/images": "data data/pixels encoders encoders/images errors evaluate exchange keyed methods modalities"
    " negatives positives positives/images preprocessing progress recipes report settings training",
    "modalities/texts": "data data/readers encoders/text errors evaluate exchange keyed methods modalities negatives"
    " positives/images positives/texts recipes report settings training",
    "modalities/pairs": "data data/pixels data/readers encoders/clip encoders/images encoders/text errors evaluate"
    " exchange files keyed methods modalities modalities/images modalities/texts negatives positives/images"
    " preprocessing progress recipes report settings training",
    # what is asked after the run
    "vector_index": "data errors evaluate keyed progress report",
    "live_page": "errors evaluate keyed modalities report vector_index",
    # what a user starts
    "verify": "data distributed encoders encoders/clip encoders/images encoders/text errors files keyed losses methods"
    " modalities/images positives/images settings training",
    "run": "data data/pixels distributed encoders errors evaluate exchange files keyed methods modalities negatives"
    " positives/images progress recipes report settings training verify",
    # what is known before it
    "check": "data data/pixels errors files keyed modalities progress settings vector_index",
    "estimator": "run",
    "terminal": "errors progress",
    "commands": "check data data/readers distributed errors evaluate exchange files keyed live_page modalities"
    " modalities/images positives/images positives/novel_views progress recipes report run settings strict_json"
    " terminal training vector_index",
    "cli": "commands distributed errors recipes run settings strict_json terminal training verify",
}
ONLY_TORCH = {"similarity", "losses", "losses/engine", "negatives"}  # of other people's packages
STANDARD_AND_TORCH = sys.stdlib_module_names | {"torch", "numpy", "kontrast", "__future__"}
METHODS = {path.stem for path in (SOURCE / "methods").glob("*.py")} - {"__init__", "method", "outside"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room):
    assert room in ALLOWED, f"{room} is a new room: say in ALLOWED what it may import"
    assert ROOMS[room] <= set(ALLOWED[room].split()), ROOMS[room] - set(ALLOWED[room].split())


def test_the_table_says_nothing_that_is_not():
    assert ALLOWED.keys() == ROOMS.keys()
    unused = {room: set(names.split()) - ROOMS[room] for room, names in ALLOWED.items()}
    assert not any(unused.values()), {room: names for room, names in unused.items() if names}


def test_rooms_are_built_from_the_ground_up():
    """Each stands in the table after all that it imports, but for those of its own house front."""
    order = list(ALLOWED)
    for room, names in ALLOWED.items():
        for name in names.split():
            assert order.index(name) < order.index(room) or name.split("/")[0] == room.split("/")[0], (room, name)


def test_no_modules_go_in_a_circle():
    assert not house.circles(IMPORTS)


def test_nine_of_ten_files_have_tests_of_their_own_beside_them():
    """src/kontrast/ROOM/FILE.py has tests/ROOM/test_FILE.py; what only opens a package is no file of its own."""
    tests = Path(__file__).parent
    own = [path.relative_to(SOURCE) for path in FILES if path.stem not in ("__init__", "__main__")]
    without = [str(path) for path in own if not (tests / path.parent / f"test_{path.stem}.py").exists()]
    assert 10 * len(without) <= len(own), without


def test_what_the_counting_program_says_is_within_its_targets():
    """Floors, circles, functions with many arguments, places that are not formatted: `python benchmarks/house.py`."""
    table, _ = house.counted(TEXTS)
    assert {name: table[name] for name, most in house.TARGETS.items() if table[name] > most} == {}


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", sorted(ONLY_TORCH))
def test_the_maths_needs_only_torch(room):
    for path in FILES:
        if house.room(str(path.relative_to(SOURCE))) == room:
            assert {name.split(".")[0] for name in imports(path)} <= STANDARD_AND_TORCH, path


def test_nobody_imports_a_method():
    """They are found by name. What wraps them, `supervised` and `matryoshka`, is chosen where a run is put together."""
    for module, names in IMPORTS.items():
        hit = {name for name in names if name in {f"methods.{method}" for method in METHODS}}
        assert hit <= ({"methods.supervised", "methods.matryoshka"} if module == "run.ready" else set()), (
            f"{module} imports {hit}"
        )


def test_the_loop_knows_no_method_and_no_kind_of_data():
    assert {name for name in IMPORTS["training.loop"] if name.startswith("methods")} == {"methods.method"}
    below = house.reached(IMPORTS)["training.loop"]
    assert not {name for name in below if name.split(".")[0] in ("data", "modalities", "positives", "recipes", "run")}


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
