"""Run folders of a history, made of one synthetic run: only its figures and facts change."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from support.several import run, saved, scaled, with_facts
from support.synthetic import Run

from netbench.record import FactValue

MADE = run(1, blocks=6)
SCATTER = (0.004, -0.006, 0.001, 0.007, -0.003, -0.008, 0.005, 0.002, -0.001, 0.006, -0.005, 0.0)
"""What runs differ by when nothing has changed."""


def dated(made: Run, day: int) -> Run:
    """Return a run of another day, with an id of its own."""
    created = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T10:15:00Z"
    return replace(made, info=replace(made.info, id=f"{day:012x}", created=created))


def history(factors: Sequence[float], facts: Sequence[dict[str, FactValue]] = ()) -> list[Run]:
    """Return a run a day, with so many times bridge's figures, and other facts of some."""
    found = []
    for day, factor in enumerate(factors):
        made = scaled(MADE, factor * (1 + SCATTER[day % len(SCATTER)]), "bridge")
        own = facts[day] if day < len(facts) else {}
        found.append(dated(with_facts(made, **own), day))
    return found


def kept(runs: Sequence[Run], parent: Path) -> Path:
    """Write the runs below a directory, two levels down, and return it."""
    for day, made in enumerate(runs):
        saved(made, parent / f"month-{day // 28}")
    return parent
