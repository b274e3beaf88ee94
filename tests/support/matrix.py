"""Every driver of a Docker Engine on both paths of one machine, and what must come of each."""

from collections.abc import Iterable
from typing import Any

FULL = (
    "none,host,bridge,bridge:user,container,macvlan:bridge,macvlan:private,macvlan:vepa,"
    "macvlan:passthru,overlay"
)
CLOSED = {
    ("none", "east-west"),
    ("none", "north-south"),
    ("macvlan:private", "east-west"),
    ("macvlan:vepa", "east-west"),
    ("macvlan:passthru", "east-west"),
}


def outcomes(found: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return records by driver and path."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in found:
        cells.setdefault((record["cell"]["driver"], record["cell"]["path"]), []).append(record)
    return cells


def assert_every_cell_accounted_for(found: Iterable[dict[str, Any]]) -> None:
    """Each driver of `FULL` has a figure on a path that is proved, or is closed by design."""
    cells = outcomes(found)
    assert {cell[0] for cell in cells} == set(FULL.split(","))
    for cell, trials in cells.items():
        for trial in trials:
            outcome = trial["outcome"]
            if cell in CLOSED:
                assert (outcome["kind"], outcome.get("by_design")) == ("skip", True), outcome
                assert outcome["evidence"]
            else:
                assert outcome["kind"] == "sample", (cell, outcome)
                assert trial["path"]["held"]
        assert all(check["held"] for trial in trials for check in trial["promises"])
