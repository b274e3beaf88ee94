"""The version of a checkout, by a real git."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from netbench.version import described, version

COMMIT = r"g[0-9a-f]{7,}"


def git(folder: Path, *argv: str) -> None:
    who = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "protocol.file.allow=always",
    )
    subprocess.run(("git", "-C", str(folder), *who, *argv), check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    if not shutil.which("git"):
        pytest.skip("no git here")
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    commit(folder, "one")
    return folder


def commit(folder: Path, text: str) -> None:
    (folder / "file").write_text(text)
    git(folder, "add", "file")
    git(folder, "commit", "-m", text)


def test_without_a_tag_it_is_the_commit(checkout: Path) -> None:
    assert re.fullmatch(rf"0\+unknown\.{COMMIT}", described(checkout) or "")


def test_a_tagged_commit_is_the_release(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")

    assert described(checkout) == "1.2.0"


def test_what_came_after_a_release_names_its_commit_and_whether_it_was_changed(
    checkout: Path,
) -> None:
    git(checkout, "tag", "v1.2.0")
    commit(checkout, "two")
    assert re.fullmatch(rf"1\.2\.0\+{COMMIT}", described(checkout) or "")

    (checkout / "file").write_text("three")

    assert re.fullmatch(rf"1\.2\.0\+{COMMIT}\.dirty", described(checkout) or "")


def test_a_changed_release_is_not_the_release(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    (checkout / "file").write_text("two")

    assert re.fullmatch(rf"1\.2\.0\+{COMMIT}\.dirty", described(checkout) or "")


def test_a_shallow_clone_still_names_its_commit(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    commit(checkout, "two")
    git(tmp_path, "clone", "--depth", "1", f"file://{checkout}", "shallow")

    assert re.fullmatch(rf"0\+unknown\.{COMMIT}", described(tmp_path / "shallow") or "")


def test_a_folder_without_git_has_none(tmp_path: Path) -> None:
    assert described(tmp_path) is None


def test_there_is_always_one() -> None:
    assert re.fullmatch(r"\d[\w.]*(\+[\w.]+)?", version())
