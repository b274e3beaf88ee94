"""The commands that README, CONTRIBUTING and the pages of docs show, and who runs each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"^(?:<!-- (?P<claim>[^>]*) -->\n)?```(?P<kind>sh|console)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(netbench [a-z][^`]*)`")
_PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Shown:
    """One command as a page shows it."""

    page: str
    claim: str
    """Who runs it: what the comment before its block says; `netns` without one."""
    text: str


def blocks() -> Iterator[Shown]:
    """Give every block of commands, whole."""
    for page in PAGES:
        for block in _BLOCK.finditer(page.read_text()):
            claim = (block["claim"] or "netns").removeprefix("runs: ")
            yield Shown(page.name, claim, _commands_of(block["kind"], block["body"]))


def shown(page: str, language: str) -> list[str]:
    """Return the bodies of a page's blocks in a language, such as TOML."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fence.findall((ROOT / "docs" / page).read_text())


def scripts(claim: str) -> list[str]:
    """Return what is run by `claim`: blocks whole, and those within sentences, which netns runs."""
    found = [block.text for block in blocks() if block.claim == claim]
    if claim == "netns":
        there = {line for text in found for line in text.splitlines()}
        # A name alone is not a command, nor is a form to be filled in.
        forms = (t for _, t in inline() if " --" in t and not _PLACEHOLDER.search(t))
        found += [text for text in forms if text not in there]
    return list(dict.fromkeys(found))


def commands(claim: str) -> list[str]:
    """Return every command of those, once."""
    return list(dict.fromkeys(line for text in scripts(claim) for line in text.splitlines()))


def inline() -> Iterator[tuple[str, str]]:
    """Give page and text of every netbench command that stands within a sentence."""
    for page in PAGES:
        for match in _INLINE.finditer(_FENCED.sub("", page.read_text())):
            yield page.name, " ".join(match[1].split())


def _commands_of(kind: str, body: str) -> str:
    """Return a block's commands, one a line, without comments and shown output."""
    lines = re.sub(r" *\\\n\s*", " ", body).splitlines()
    if kind == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    lines = [re.sub(r"\s+# .*$", "", line).strip() for line in lines]
    return "\n".join(line for line in lines if line and not line.startswith("#"))
