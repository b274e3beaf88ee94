"""The mutations of `tests/faults/mutate.py` still are of the program that there is."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def _loaded() -> ModuleType:
    """Return the script, which lies in no package."""
    path = ROOT / "tests/faults/mutate.py"
    spec = importlib.util.spec_from_file_location("netbench_mutate", path)
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTATIONS: tuple[Any, ...] = _loaded().MUTATIONS


def named_in(path: Path) -> set[str]:
    """Return the names of a file's tests."""
    return {
        one.name for one in ast.parse(path.read_text()).body if isinstance(one, ast.FunctionDef)
    }


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_is_of_code_that_stands_once_and_names_tests_that_there_are(
    mutation: Any,
) -> None:
    text = (ROOT / mutation.file).read_text()

    assert text.count(mutation.there) == 1
    ast.parse(text.replace(mutation.there, mutation.instead))
    for name in mutation.tests:
        file, _, test = name.partition("::")
        assert not test or test.partition("[")[0] in named_in(ROOT / file), name


def test_no_two_mutations_have_one_name() -> None:
    names = [one.name for one in MUTATIONS]

    assert len(names) == len({*names})
