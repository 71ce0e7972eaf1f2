"""The site of the docs leaves nothing out: every page is reached, every public name has its place in the API."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import kontrast
from kontrast import data, losses

ROOT = Path(__file__).parents[1]


def pages(nav: Any) -> list[str]:
    """The files that the navigation names, at any depth."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in pages(part)]


def test_the_navigation_is_all_pages():
    nav = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(nav) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_the_readme_has_a_line_for_every_folder():
    told = (ROOT / "README.md").read_text()
    rooms = [file.parent.name for file in (ROOT / "src" / "kontrast").glob("*/__init__.py")]
    assert len(rooms) > 10 and [room for room in rooms if f"\n  {room}/ " not in told] == []


PUBLIC = [
    *(f"kontrast.{name}" for name in kontrast.__all__ if not isinstance(getattr(kontrast, name), ModuleType | str)),
    *(f"kontrast.losses.{name}" for name in losses.__all__),
    *(f"kontrast.data.{name}" for name in data.__all__),
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_its_place(name):
    told = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    assert re.search(rf"^::: {re.escape(name)}$", told, re.MULTILINE)
