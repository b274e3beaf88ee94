"""Walks over what others change meanwhile, as /sys/fs/cgroup and /proc of a busy machine."""

import ast
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.walks import deepest_first, folders

import netbench

ROOTS = (Path(netbench.__file__).parent, Path(__file__).parent.parent)
SHARED = ("/sys", "/proc", "CGROUPS")
WALKS = 300


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Make folders in a root and remove them again, all the time."""
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            for number in range(20):
                (root / f"gone-{number}" / "inner").mkdir(parents=True)
            for number in range(20):
                (root / f"gone-{number}" / "inner").rmdir()
                (root / f"gone-{number}").rmdir()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_what_goes_away_during_a_walk_is_passed_over(tmp_path: Path) -> None:
    stays = tmp_path / "a" / "netbench-1:x"
    stays.mkdir(parents=True)
    with changing(tmp_path):
        for _ in range(WALKS):
            assert list(folders(tmp_path, "netbench-*:*")) == [stays]
            assert list(deepest_first(tmp_path))[-1] == tmp_path


def test_folders_are_removed_before_those_that_hold_them(tmp_path: Path) -> None:
    (tmp_path / "group" / "b" / "c").mkdir(parents=True)
    for folder in deepest_first(tmp_path / "group"):
        folder.rmdir()

    assert list(folders(tmp_path, "*")) == []


def recursive(tree: ast.Module) -> Iterator[str]:
    """Yield the recursive globs of pathlib over places that are not the caller's own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = [one.value for one in node.args if isinstance(one, ast.Constant)]
            deep = node.func.attr == "rglob" or any("**" in str(word) for word in words)
            if deep and node.func.attr in ("glob", "rglob"):
                yield ast.unparse(node)


def test_no_shared_place_is_walked_by_pathlib() -> None:
    """Until Python 3.13 it raises where a folder goes away under way."""
    found = []
    for path in (file for root in ROOTS for file in sorted(root.rglob("*.py"))):
        calls = recursive(ast.parse(path.read_text(encoding="utf-8")))
        found += [f"{path}: {text}" for text in calls if any(one in text for one in SHARED)]

    assert found == []
