"""What came of each driver on each path of one run, and the table of docs/engines.md."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from support.program import TRICKLE, Program, records

DRIVERS = ("host", "bridge", "bridge:user", "container", "macvlan")
PATHS = ("east-west", "north-south")
DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"
_TABLE = re.compile(r"(?<=<!-- outcomes -->\n).*?(?=<!-- /outcomes -->)", re.DOTALL)
_HEAD = ("engine", "facts", *(f"`{driver}`" for driver in DRIVERS))
ALL = ("run", "--engine", "docker", "--drivers", ",".join(DRIVERS), "--paths", ",".join(PATHS))
Hops = tuple[tuple[str, str | None, str], ...]
"""Of a proved path: whose namespace, kind of link, and which way its bytes were counted."""
Ways = Mapping[tuple[str, str], Hops | str]
"""By driver and path: the links of the proof, or why there is no figure."""


def measured(program: Program, *more: str, cell: str = TRICKLE) -> Ways:
    """Run every driver on both paths once; return what came of each."""
    done = program(*ALL, "--blocks", "1", "--suite", program.suite(cell), *more)

    assert "report: " in done.stdout, done.stderr
    return ways(records(program.run_folder()))


def facts_of(program: Program) -> dict[str, Any]:
    info = json.loads((program.run_folder() / "run.json").read_text())
    return dict(info["facts"])


def ways(seen: Iterable[Mapping[str, Any]]) -> Ways:
    """Return what came of every driver on every path.

    A failure fails the test with its words, unless the same was proved by another trial.
    """
    found: dict[tuple[str, str], Hops | str] = {}
    failed: dict[tuple[str, str], Any] = {}
    for record in seen:
        cell, outcome = record["cell"], record["outcome"]
        key = (cell["driver"].partition(":bridge")[0], cell["path"])
        if outcome["kind"] == "failure":
            failed[key] = outcome
            continue
        if outcome["kind"] == "skip":
            found[key] = outcome["reason"]
            continue
        assert record["path"]["held"], record["path"]
        assert all(check["held"] for check in record["promises"]), record["promises"]
        hops = record["path"]["hops"]
        found[key] = tuple((hop["namespace"], hop["kind"], hop["counted"]) for hop in hops)

    assert {key: outcome for key, outcome in failed.items() if key not in found} == {}
    return found


def row(engine: str, facts: str, found: Ways) -> str:
    """Return an engine's row: both paths of each driver, or the number of a note."""
    cells = []
    for driver in DRIVERS:
        each = [found[driver, path] for path in PATHS]
        done = ["skipped" if isinstance(way, str) else "proved" for way in each]
        cells.append(done[0] if done[0] == done[1] else f"{done[0]}; {PATHS[1]} {done[1]}")
    return f"| {' | '.join((engine, facts, *cells))} |"


def notes(engine: str, found: Ways) -> list[str]:
    """Return why an engine has no figure of a driver on a path, one line for a reason."""
    reasons: dict[str, list[str]] = {}
    for (driver, path), way in found.items():
        if isinstance(way, str):
            reasons.setdefault(way, []).append(f"`{driver}` {path}")
    return [f"- {engine}, {', '.join(sorted(of))}: {why}" for why, of in reasons.items()]


def block(rows: Mapping[str, str], reasons: Mapping[str, list[str]]) -> str:
    """Return the whole table with the notes below it, engine by engine."""
    head = [f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
    below = [line for engine in rows for line in reasons.get(engine, [])]
    return "\n".join([*head, *rows.values(), *(["", *below] if below else [])]) + "\n"


def documented() -> str:
    """Return the table as it stands in the documentation."""
    found = _TABLE.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found, f"no table in {DOCUMENT}"
    return found[0]


def check(engine: str, facts: str, found: Ways) -> None:
    """Hold one engine's row and notes against the documentation; write them where that is asked.

    With `NETBENCH_WRITE_DOCS=1` the row takes the place of the one that stands there.
    """
    lines = documented().splitlines()
    mine = row(engine, facts, found)
    said = notes(engine, found)
    if os.environ.get("NETBENCH_WRITE_DOCS") == "1":
        rows = {line.split(" | ")[0]: line for line in lines[2:] if line.startswith("| ")}
        rows[mine.split(" | ")[0]] = mine
        below = [line for line in lines if line.startswith("- ") and f"- {engine}, " not in line]
        names = [name.removeprefix("| ") for name in rows]
        reasons = {
            f"| {name}": [line for line in (*below, *said) if line.startswith(f"- {name}, ")]
            for name in names
        }
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(_TABLE.sub(lambda _: block(rows, reasons), text), encoding="utf-8")
        return

    assert mine in lines
    assert said == [line for line in lines if line.startswith(f"- {engine}, ")]
