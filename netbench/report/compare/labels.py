"""What a comparison says, in words that terminal and page share."""

from collections.abc import Sequence
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.analysis.compare.differences import RunDifference
from netbench.analysis.compare.model import (
    Basis,
    ComparedSide,
    MachineState,
    Pairing,
    RunComparison,
    RunContrast,
    Side,
)
from netbench.analysis.model import Verdict
from netbench.facts.registry import declared
from netbench.record import FactValue
from netbench.report.budgets import summed
from netbench.report.conditions import engine_named, fact_text
from netbench.report.labels import (
    DECIDED,
    capital,
    counted,
    joined,
    key_of,
    metric_title,
    ratio_text,
    sized,
)
from netbench.report.sentences import SUBJECTS, fact, measure

HONEST: Final = (
    "Two runs are two days of one machine. Intervals hold the variance within the runs; how much a "
    "run of the very same thing may lie elsewhere on another day, two runs cannot tell. A ratio to "
    "the baseline, taken within each run, cancels what touched both alike; a figure of its own "
    "does not, and counts only where the sentinel saw the same machine."
)
ORDER: Final = (*DECIDED, Verdict.EQUIVALENT, Verdict.UNDECIDED)  # regressions first
_FEW: Final = 3  # facts that a sentence names


def values(difference: RunDifference) -> tuple[str, str]:
    """Return both values of a fact for people; in full where they would look alike."""
    known = declared(difference.fact)
    unit = known.unit if known else ""
    left, right = _value(difference.left, unit), _value(difference.right, unit)
    if left == right:
        return plain(f"{difference.left} {unit}"), plain(f"{difference.right} {unit}")
    return left, right


def _value(found: FactValue | None, unit: str) -> str:
    return "not recorded" if found is None else fact_text(found, unit)


def grade(difference: RunDifference) -> str:
    """Return `confounder`, `confounder, accepted` or `no confounder`."""
    if not difference.confounder:
        return "no confounder"
    return "confounder, accepted" if difference.accepted else "confounder"


def run_line(run: ComparedSide) -> str:
    """Return a run in one line: label, folder, when, on what."""
    info = run.info
    kernel = fact(info, "kernel.release")
    at = f", kernel {fact_text(kernel)}" if isinstance(kernel, str) else ""
    return plain(
        f"{run.label}: {run.folder} ({info.created[:16].replace('T', ' ')} UTC, "
        f"{engine_named(info)}{at}, suite {info.plan.suite})"
    )


def lead(comparison: RunComparison) -> str:
    """Return what came out, in one or two sentences, regressions first."""
    return tally(*comparison.pairings)


def tally(*pairings: Pairing) -> str:
    """Return what came out of some pairs of runs."""
    contrasts = [one for pairing in pairings for one in pairing.contrasts]
    found = [one for one in contrasts if one.primary]
    if not found:
        return "The runs have no measure in common that runs are judged by."
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in ORDER}
    withheld = [one.withheld for one in found if one.withheld]
    counts[Verdict.UNDECIDED] -= len(withheld)
    parts = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    if withheld:
        facts = list(dict.fromkeys(_fact(name) for names in withheld for name in names))
        named = joined(facts) if len(facts) <= _FEW else f"{len(facts)} confounders"
        differ = "differs" if len(facts) == 1 else "differ"
        parts.append(f"{len(withheld)} withheld because {plain(named)} {differ}")
    return f"Of {counted(len(found), 'contrast')}: {joined(parts)}."


def news(pairing: Pairing) -> tuple[tuple[Verdict, str], ...]:
    """Return what changed, one line a measure of a driver, regressions first.

    The driver's own figure and its ratio to the baseline stand in one line where both changed.
    """
    lines = grouped(
        ((one.verdict, one.driver, key_of(one), one.metric), one)
        for one in pairing.contrasts
        if one.primary and one.verdict in DECIDED
    )
    return tuple((verdict, plain(_news(found))) for (verdict, *_), found in lines.items())


def _news(found: Sequence[RunContrast]) -> str:
    """Return `bridge: median round trip on one core 17 to 22 % slower (20.4 µs after 17.1 µs)`."""
    said = []
    for one in sorted(found, key=_relative):
        levels = f"({level(one.right, one)} after {level(one.left, one)})"
        if one.ratio is not None:
            said.append(f"{sized(one)} {f'against {one.baseline}' if _relative(one) else levels}")
    return f"{found[0].driver}: {measured(found[0])} {joined(said)}"


def _relative(one: RunContrast) -> bool:
    return one.basis is Basis.RELATIVE


def _fact(name: str) -> str:
    """Return `link.mtu` of `link.mtu (bridge, east-west, client eth0)`."""
    return name.partition(" (")[0]


def budgets_told(comparison: RunComparison) -> str:
    """Return what became of all budgets; empty where there are none."""
    return summed(comparison.budgets, allow_undecided=comparison.allow_undecided)


def accepted_line(comparison: RunComparison) -> str:
    """Return what the user let differ; empty where nothing."""
    differing = [d for p in comparison.pairings for d in p.differences if d.accepted]
    if not comparison.accept:
        return ""
    named = joined(list(dict.fromkeys(str(one) for one in differing if one.confounder)))
    asked = " ".join(f"--accept {name}" for name in comparison.accept)
    if not named:
        return plain(f"{asked}: no confounder of these names differs.")
    return plain(f"{asked}: it lets differ {named}, which may be the cause of any change.")


def machine_line(state: MachineState, pairing: Pairing) -> str:
    """Return what the sentinel says of the machine on one placement's CPUs."""
    left, right = pairing.left.label, pairing.right.label
    return (
        f"{capital(PLACEMENTS[state.placement])} the sentinel read "
        f"{units.quantity(state.left, state.unit)} in {left} and "
        f"{units.quantity(state.right, state.unit)} in {right}: "
        f"{units.percent(state.ratio)}"
    )


def cells_line(pairing: Pairing) -> tuple[str, ...]:
    """Return which cells only one of the runs has."""
    sides = ((pairing.left, pairing.only_left), (pairing.right, pairing.only_right))
    return tuple(
        plain(
            f"Only {run.label} has "
            + joined(list(dict.fromkeys(f"{c.driver} in {c.probe} {c.placement}" for c in cells)))
        )
        for run, cells in sides
        if cells
    )


def subject(contrast: RunContrast) -> str:
    """Return what is compared: `bridge`, or `bridge / host`."""
    both = f"{contrast.driver} / {contrast.baseline}"
    return plain(both if _relative(contrast) else contrast.driver)


def place(contrast: RunContrast) -> str:
    """Return the measure: `Median round trip on one core`."""
    return capital(measured(contrast))


def measured(contrast: RunContrast) -> str:
    """Return the measure within a sentence."""
    key = key_of(contrast)
    if contrast.metric in SUBJECTS:
        return measure(key, contrast.metric)
    return f"{metric_title(contrast.metric)} of {key.probe} {key.place}"


def level(side: Side, contrast: RunContrast) -> str:
    """Return one run's figure: a ratio to the baseline, or the driver's median."""
    if _relative(contrast):
        return units.ratio(side.level)
    return units.quantity(side.median, contrast.unit)


def figures(contrast: RunContrast) -> str:
    """Return `0.953 [0.921, 0.986]`, where there is a ratio."""
    return units.MISSING if contrast.ratio is None else ratio_text(contrast)


def verdict(contrast: RunContrast, margin: float) -> str:
    """Return the verdict with its size, or an undecided one with its reason."""
    said = short(contrast, margin)
    undecided = not contrast.withheld and contrast.verdict is Verdict.UNDECIDED
    return f"{said}: {why(contrast)}" if undecided else said


def short(contrast: RunContrast, margin: float) -> str:
    """Return the verdict with its size: `3.5 to 6.1 % slower`; without a reason."""
    if contrast.withheld:
        return "withheld"
    if contrast.verdict in DECIDED:
        return sized(contrast)
    if contrast.verdict is Verdict.EQUIVALENT:
        return f"equivalent within {margin * 100:g} %"
    return contrast.verdict.value


def why(contrast: RunContrast) -> str:
    """Return what kept a contrast from a verdict; empty where it has one."""
    if contrast.withheld:
        return plain(f"{joined(_confounders(contrast.withheld))} differs")
    sides = (contrast.left, contrast.right)
    absent = [f"{side.run}: {side.reason}" for side in sides if side.reason]
    if absent:
        return plain("; ".join(absent))
    if contrast.verdict is not Verdict.UNDECIDED:
        return ""
    return plain(contrast.reason) or "no reason was kept"


def _confounders(names: Sequence[str]) -> list[str]:
    """Return facts with the places that they are about; of many places only how many."""
    places = grouped((_fact(name), name) for name in names)
    return [
        found[0] if len(found) == 1 else f"{fact} ({len(found)} places)"
        for fact, found in places.items()
    ]
