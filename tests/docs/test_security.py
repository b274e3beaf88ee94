"""SECURITY.md: every line on what others cannot do names a test that is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_the_test_that_holds_a_line_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_line_on_what_others_cannot_do_names_one_and_the_page_is_short() -> None:
    lines = re.findall(r"^- .*", PAGE.partition("## What others can do")[2], re.MULTILINE)
    unheld = [
        line for line in lines if not line.startswith(("- Can ", "- It can ")) and "::" not in line
    ]

    assert len(NAMED) >= 25
    assert unheld == []
    assert len(PAGE.splitlines()) <= 90
