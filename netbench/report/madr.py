"""decision.md: a decision record in MADR's sections, its outcome left to its author.

MADR 4.0, https://adr.github.io/madr/. What was measured is filled in; what is a matter of judgement
is marked for the author.
"""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PATHS
from netbench.analysis.cpu_sums import PER
from netbench.analysis.digest_model import Digest
from netbench.analysis.model import Analysis, Contrast, Verdict
from netbench.record import RunInfo
from netbench.report import budgets
from netbench.report.answer import Clause, DriverAnswer, answers, headline
from netbench.report.answer_picture import answer_picture
from netbench.report.conditions import Badges, engine_named, where
from netbench.report.costs import more_cost
from netbench.report.driver_costs import DriverCost, driver_costs
from netbench.report.effects import percent_size
from netbench.report.labels import DECIDED, capital, joined, key_of, shared_by
from netbench.report.sentences import (
    baseline_check,
    declared_driver,
    measure,
    primaries,
    primary_measures,
)
from netbench.report.stopping import extension
from netbench.report.summary import markdown
from netbench.spec import Path

DECISION: Final = "decision.md"  # the decision record's name in a run folder
FIGURE: Final = "decision.svg"  # the figure's name beside the record
_WORTH: Final[dict[Verdict, str]] = {
    Verdict.FASTER: "Good",
    Verdict.SLOWER: "Bad",
    Verdict.EQUIVALENT: "Neutral",
    Verdict.UNDECIDED: "Unknown",
}


def decision(info: RunInfo, analysis: Analysis, digest: Digest) -> dict[str, str]:
    """Return the files of a decision record by name: the record, and the figure that it shows."""
    return {
        FIGURE: answer_picture(info, analysis, digest),
        DECISION: decision_text(info, analysis, digest, beside=True),
    }


def decision_text(info: RunInfo, analysis: Analysis, digest: Digest, *, beside: bool) -> str:
    """Return the record alone; it has links only if its figure and its run lie `beside` it."""
    paths = dict.fromkeys(cell.path for cell in info.plan.cells)
    return markdown(
        "decision.md.j2",
        analysis=analysis,
        beside=beside,
        figure=FIGURE if beside else "",
        drivers=info.plan.drivers,
        headline=headline(info, analysis, digest),
        caveats=", ".join(Badges(info, analysis, digest).of_run),
        ways=joined([PATHS.get(path, path) or "between containers" for path in paths]),
        engine=engine_named(info),
        measures=capital(
            joined([measure(key, metric) for key, metric in primary_measures(analysis)])
        ),
        options=_options(info, analysis, digest),
        said=budgets.outcome(info, analysis),
        results=budgets.ordered(analysis),
        certainty=f"Intervals: {shared_by(analysis)}. {capital(baseline_check(analysis))}.",
        extension=extension(info, analysis, ""),
        where=where(info, digest),
        command=shlex.join(info.command),
    )


def _options(info: RunInfo, analysis: Analysis, digest: Digest) -> list[tuple[str, str, list[str]]]:
    """Return drivers, each with its summary and what is said for it, against it and neither."""
    return [
        (
            own.driver,
            known.summary if (known := declared_driver(own.driver)) else "a driver of a plug-in",
            [*_lines(analysis, own, answer)],
        )
        for own, answer in zip(
            driver_costs(info, analysis, digest), answers(info, analysis, digest), strict=True
        )
    ]


def _lines(analysis: Analysis, own: DriverCost, answer: DriverAnswer) -> Iterator[str]:
    """Yield what is said of an option: isolation, good, bad, neutral, unknown, caveats."""
    yield f"Isolates {own.isolates} ({own.network})"
    if own.driver == analysis.baseline:
        yield f"It is the baseline: {answer.said}"
    elif own.isolated:
        yield f"Neutral, because it is {answer.said}"
    else:
        yield from _worth(analysis, own.driver, answer)
    limits = [*own.badges[Path.EAST_WEST], *_doubted(own)]
    if limits:
        yield f"Caveats: {'; '.join(dict.fromkeys(limits))}"


def _worth(analysis: Analysis, driver: str, answer: DriverAnswer) -> Iterator[str]:
    """Yield the clauses of an answer by what they are worth, those of one path together."""
    found = [
        (clause.verdict, (path.opening, clause)) for path in answer.paths for clause in path.clauses
    ]
    groups = grouped([*found, *((c.verdict, ("", _cost(c))) for c in _costs(analysis, driver))])
    for verdict, word in _WORTH.items():
        for opening, clauses in grouped(groups.get(verdict, ())).items():
            of = "of" if verdict in DECIDED else ""
            said = joined([*_sentences(clauses)])
            yield " ".join(filter(None, (f"{word}, because", opening or of, said)))
    for _, clause in groups.get(None, ()):
        left_out = clause.strong.startswith("not ")
        yield f"{'Unknown, because it is' if left_out else 'Neutral, because there is'} {clause}"


def _sentences(clauses: Sequence[Clause]) -> Iterator[str]:
    alike = grouped(((clause.strong, clause.after), clause.before) for clause in clauses)
    for (strong, after), measures in alike.items():
        are = ("is" if len(measures) == 1 else "are") if any(measures) else ""
        yield " ".join(filter(None, (joined(measures), are, strong, after)))


def _costs(analysis: Analysis, driver: str) -> list[Contrast]:
    """Return the decided contrasts of CPU time in the cells that the run is judged by."""
    judged = {key_of(c) for c in primaries(analysis, driver)}
    return [
        c
        for c in analysis.contrasts
        if c.driver == driver and c.metric in PER and key_of(c) in judged
        if c.verdict in DECIDED
    ]


def _cost(contrast: Contrast) -> Clause:
    """Return `57 % more CPU time per byte [22 to 103] on two cores`."""
    size = percent_size(contrast)
    said, interval = size.words if size else ("", "")
    what = f"{more_cost(contrast)} CPU time per {PER[contrast.metric]}"
    where = f"{interval} {key_of(contrast).place}".strip()
    return Clause("", f"{said} {what}".strip(), where, contrast.verdict)


def _doubted(own: DriverCost) -> Iterator[str]:
    """Yield what stands beside single figures of an option: badges and warnings."""
    measured = [(cost, measure(*place)) for place, cost in own.costs.items()]
    yield from (f"{badge} in {name}" for cost, name in measured for badge in cost.badges)
    warned = grouped(
        (warning.message, name)
        for cost, name in measured
        if cost.contrast is not None
        for warning in cost.contrast.warnings
    )
    yield from (f"{joined(names)}: {message}" for message, names in warned.items())
