"""What is told of releases: the changelog's form, and addresses that nobody could know."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
"""Of changes, as https://keepachangelog.com/en/1.1.0/ has them."""
RELEASE = re.compile(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)(?: \[YANKED\])?")
OWN = re.compile(r"https?://[\w.-]+/[^\s\"')<>]*netbench|\bnetbench\.(?:io|org|dev|com|net)\b")
PLACEHOLDER = re.compile(r"https://HOST/OWNER/netbench")
ELSEWHERE = ("reports/", "tests/", "benchmarks/published.toml", "benchmarks/calibration/results/")
"""Not written by us, or about the test itself."""


def tracked(pattern: str) -> list[str]:
    """Return what git knows by a command; nothing in a tree without it."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    argv = ("git", "-C", str(ROOT), *pattern.split())
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip(f"git: {done.stderr}")
    return done.stdout.splitlines()


def test_the_changelog_is_kept_as_its_format_says() -> None:
    titles = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    releases = [RELEASE.fullmatch(title) for title in titles[1:]]

    assert CHANGELOG.startswith("# Changelog\n")
    assert titles[0] == "[Unreleased]"
    assert all(releases), titles
    numbers = [tuple(map(int, found.groups()[:3])) for found in releases if found]
    days = [date.fromisoformat(found[4]) for found in releases if found]
    assert numbers == sorted(set(numbers), reverse=True)
    assert days == sorted(days, reverse=True)


def test_changes_stand_under_the_kinds_of_the_format() -> None:
    for part in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", part, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]
        assert "\n- " not in part.partition("\n### ")[0], "each change is of a kind"


def test_every_release_has_its_entry() -> None:
    for tag in tracked("tag --list v[0-9]*"):
        assert f"\n## [{tag.removeprefix('v')}] - " in CHANGELOG


def test_no_file_states_an_address_of_netbench() -> None:
    for name in tracked("ls-files --cached --others --exclude-standard"):
        path = ROOT / name
        if name.startswith(ELSEWHERE) or not path.is_file():
            continue
        text = PLACEHOLDER.sub("", path.read_text(errors="replace"))
        assert OWN.findall(text) == [], name
