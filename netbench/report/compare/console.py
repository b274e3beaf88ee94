"""A comparison at a terminal: what differs, the machine, then the contrasts, regressions first."""

from typing import TYPE_CHECKING, Final

from netbench.analysis.cell_key import plain
from netbench.analysis.compare.model import Pairing, RunComparison, RunContrast
from netbench.analysis.model import Verdict
from netbench.report.budgets import ordered
from netbench.report.compare import labels
from netbench.report.console import STYLES, budget_lines, plain_table
from netbench.report.labels import SIGNS

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

_SIGN: Final = "–"


def shown(comparison: RunComparison) -> "Group":
    """Return everything, for people at a terminal."""
    from rich.console import Group  # noqa: PLC0415 - keeps `netbench --help` instant
    from rich.text import Text  # noqa: PLC0415 - same

    parts: list[RenderableType] = [Text(labels.run_line(run)) for run in comparison.runs]
    parts.append(Text(f"\n{labels.lead(comparison)}", style="bold"))
    said = labels.accepted_line(comparison)
    parts += [Text(said, style="yellow")] if said else []
    for pairing in comparison.pairings:
        parts += _pairing(pairing, comparison.margin)
    parts += budget_lines(labels.budgets_told(comparison), ordered(comparison))
    parts.append(Text(f"\n{labels.HONEST}", style="dim"))
    return Group(*parts)


def _pairing(pairing: Pairing, margin: float) -> list["RenderableType"]:
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    parts: list[RenderableType] = [_differences(pairing)]
    parts += [Text(plain(labels.machine_line(s, pairing)), style="dim") for s in pairing.machine]
    parts += [Text(line, style="dim") for line in labels.cells_line(pairing)]
    primary = [one for one in pairing.contrasts if one.primary]
    parts += [_contrasts(pairing, primary, margin)] if primary else []
    parts += _reasons(primary)
    beside = [
        one
        for one in pairing.contrasts
        if not one.primary and one.verdict in {Verdict.SLOWER, Verdict.FASTER}
    ]
    parts += [_contrasts(pairing, beside, margin, "Other measures that changed")] if beside else []
    return parts


def _differences(pairing: Pairing) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    left, right = pairing.left.label, pairing.right.label
    if not pairing.differences:
        return Text(f"\nNothing that was recorded differs between {left} and {right}", style="bold")
    result = plain_table(Text(f"\nWhat differs between {left} and {right}", style="bold"), gap=2)
    for name in ("fact", "of", left, right, ""):
        result.add_column(name, overflow="fold")
    for one in pairing.differences:
        result.add_row(
            Text(one.fact),
            Text(plain(str(one.scope))),
            *map(Text, labels.values(one)),
            labels.grade(one) if one.confounder else "",
            style="yellow" if one.withholds else "" if one.confounder else "dim",
        )
    return result


def _contrasts(
    pairing: Pairing, found: list[RunContrast], margin: float, title: str = ""
) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    left, right = pairing.left.label, pairing.right.label
    heading = title or f"{right} beside {left}, regressions first"
    result = plain_table(Text(f"\n{heading}", style="bold"), gap=2)
    result.add_column("measure", overflow="fold")
    result.add_column("of", overflow="fold")
    for name in (left, right, f"{right} / {left}"):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("verdict", overflow="fold")
    for one in found:
        sign = _SIGN if one.withheld else SIGNS[one.verdict]
        result.add_row(
            Text(labels.place(one)),
            Text(labels.subject(one)),
            labels.level(one.left, one),
            labels.level(one.right, one),
            Text(labels.figures(one)),
            Text(f"{sign} {labels.verdict(one, margin)}", style=STYLES[one.verdict]),
        )
    return result


def _reasons(found: list[RunContrast]) -> list["RenderableType"]:
    """Return why verdicts are withheld, each reason once with those it is of."""
    from rich.text import Text  # noqa: PLC0415 - keeps `netbench --help` instant

    told = [
        (labels.why(one), f"{labels.subject(one)} in {labels.measured(one)}")
        for one in found
        if one.withheld
    ]
    reasons: dict[str, list[str]] = {}
    for reason, whom in told:
        reasons.setdefault(reason, []).append(whom)
    return [
        Text(f"! {reason}: {'; '.join(whom)}", style="yellow") for reason, whom in reasons.items()
    ]
