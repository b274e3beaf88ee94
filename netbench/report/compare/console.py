"""A comparison at a terminal: what differs, the machine, then the contrasts, regressions first."""

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.compare.model import Pairing, RunComparison, RunContrast
from netbench.report.budgets import ordered
from netbench.report.compare import labels
from netbench.report.console_text import FIGURE, STYLES, Cells, budget_lines, plain_table, styled
from netbench.report.labels import DECIDED, SIGNS

_SIGN: Final = "–"
_FOLD: Final[dict[str, Any]] = {"overflow": "fold"}


def terminal(comparison: RunComparison) -> Group:
    """Return everything, for people at a terminal."""
    said = labels.accepted_line(comparison)
    return Group(
        *styled(map(labels.run_line, comparison.runs)),
        *styled([f"\n{labels.lead(comparison)}"], "bold"),
        *styled([said] if said else [], "yellow"),
        *(part for one in comparison.pairings for part in _pairing(one, comparison.margin)),
        *budget_lines(labels.budgets_told(comparison), ordered(comparison)),
        *styled([f"\n{labels.HONEST}"], "dim"),
    )


def _pairing(pairing: Pairing, margin: float) -> Iterator[RenderableType]:
    left, right = pairing.left.label, pairing.right.label
    yield _differences(pairing)
    yield from styled((plain(labels.machine_line(s, pairing)) for s in pairing.machine), "dim")
    yield from styled(labels.cells_line(pairing), "dim")
    primary = [one for one in pairing.contrasts if one.primary]
    if primary:
        heading = f"{right} beside {left}, regressions first"
        yield _contrasts(pairing, primary, margin, heading)
    yield from styled(_reasons(primary), "yellow")
    beside = [one for one in pairing.contrasts if not one.primary and one.verdict in DECIDED]
    if beside:
        yield _contrasts(pairing, beside, margin, "Other measures that changed")


def _differences(pairing: Pairing) -> RenderableType:
    left, right = pairing.left.label, pairing.right.label
    if not pairing.differences:
        return Text(f"\nNothing that was recorded differs between {left} and {right}", style="bold")
    rows = []
    for one in pairing.differences:
        grade = labels.grade(one) if one.confounder else ""
        style = "yellow" if one.withholds else "" if one.confounder else "dim"
        cells = (one.fact, plain(str(one.scope)), *labels.values(one), grade)
        rows.append([Text(cell, style=style) for cell in cells])
    heading = f"\nWhat differs between {left} and {right}"
    columns = [(name, _FOLD) for name in ("fact", "of", left, right, "")]
    return plain_table(heading, columns, rows, gap=2)


def _contrasts(pairing: Pairing, found: list[RunContrast], margin: float, heading: str) -> Table:
    left, right = pairing.left.label, pairing.right.label
    columns = [("measure", _FOLD), ("of", _FOLD), (left, FIGURE), (right, FIGURE)]
    columns += [(f"{right} / {left}", FIGURE), ("verdict", _FOLD)]
    rows: list[Cells] = []
    for one in found:
        sign = _SIGN if one.withheld else SIGNS[one.verdict]
        verdict = Text(f"{sign} {labels.verdict(one, margin)}", style=STYLES[one.verdict])
        levels = (labels.level(one.left, one), labels.level(one.right, one))
        rows.append((labels.place(one), labels.subject(one), *levels, labels.figures(one), verdict))
    return plain_table(f"\n{heading}", columns, rows, gap=2)


def _reasons(found: list[RunContrast]) -> list[str]:
    """Return why verdicts are withheld, each reason once with those it is of."""
    reasons = grouped(
        (labels.why(one), f"{labels.subject(one)} in {labels.measured(one)}")
        for one in found
        if one.withheld
    )
    return [f"! {reason}: {'; '.join(whom)}" for reason, whom in reasons.items()]
