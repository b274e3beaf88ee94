"""What two runs do not have in common, in words: facts, cells, and the machine."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.analysis.compare.differences import RunDifference, fact_of, unread
from netbench.analysis.compare.model import ComparedSide, Pairing, RunComparison
from netbench.facts.registry import declared
from netbench.record import FactValue
from netbench.report.conditions import fact_text
from netbench.report.labels import counted, few, joined
from netbench.spec import Cell

_NAMED: Final = 3  # names that are shown one by one
_UNKNOWN: Final = 6  # the same of facts that a run did not record
_ROWS: Final = 3  # rows of one fact, each with two values of its own
_DIGEST: Final = len("sha256:") + 12  # what is shown of an id, as Docker does


@dataclass(frozen=True, slots=True)
class DifferingFact:
    """A fact that differs in the same way in some places."""

    fact: str
    of: str  # where: `all drivers`, `bridge, host and 5 more`; empty for the whole run
    left: str
    right: str
    accepted: bool


def may_confound(difference: RunDifference) -> bool:
    """Tell whether a fact may be a confounder, which is not known: one run did not record it."""
    known = declared(difference.fact)
    may = known is None or known.confounds
    return may and difference.unknown and not difference.confounder


def notes(pairing: Pairing) -> tuple[str, ...]:
    """Return what else the runs do not share: unknown and free facts, the machine, and cells."""
    lines = (unknown_line(pairing), free_line(pairing), _machine_line(pairing))
    sides = (
        (pairing.left, pairing.only_left, pairing.right),
        (pairing.right, pairing.only_right, pairing.left),
    )
    only = (
        f"Only {plain(run.label)} measured {_only(cells, other)}"
        for run, cells, other in sides
        if cells
    )
    return tuple(filter(None, (*lines, *only)))


def rows(pairing: Pairing) -> tuple[DifferingFact, ...]:
    """Return the confounders that differ, places with the same two values in one row."""
    found = grouped((one.fact, one) for one in pairing.differences if one.confounder)
    made = []
    for fact, own in found.items():
        ways = list(grouped((values(one), one) for one in own).items())
        if len(ways) > _ROWS:
            ways = [(("several values", "several others"), own)]
        for (left, right), same in ways:
            of = _places(pairing, same)
            made.append(DifferingFact(plain(fact), of, left, right, same[0].accepted))
    return tuple(made)


def values(difference: RunDifference) -> tuple[str, str]:
    """Return both values of a fact for people; in full where they would look alike."""
    known = declared(difference.fact)
    unit, kind = (known.unit, known.type) if known else ("", str)
    left, right = difference.left, difference.right
    if isinstance(left, tuple) and isinstance(right, tuple):
        own, other = _parts(left, unit, kind), _parts(right, unit, kind)
        return _beside(own, other), _beside(other, own)
    texts = _text(left, unit, kind), _text(right, unit, kind)
    return texts if texts[0] != texts[1] else (_in_full(left, unit), _in_full(right, unit))


def _text(found: FactValue | None, unit: str, kind: type) -> str:
    if found is None:
        return "not recorded"
    if isinstance(found, tuple):
        return joined(_parts(found, unit, kind))
    text = fact_text(found, unit)
    return text[:_DIGEST] if text.startswith("sha256:") else text


def _in_full(found: FactValue | None, unit: str) -> str:
    number = isinstance(found, int | float) and not isinstance(found, bool)
    return plain(f"{found:,} {unit}" if number else str(found))


def _parts(found: tuple[str, ...], unit: str, kind: type) -> list[str]:
    """Return a tuple's parts, or the values that trials had of a fact that is no tuple."""
    if kind is bool:
        return [{"True": "yes", "False": "no"}.get(part, part) for part in found]
    numbers = kind in {int, float} and all(part.replace(".", "", 1).isdecimal() for part in found)
    return [fact_text(float(part), unit) if numbers else plain(part) for part in found]


def _beside(own: Sequence[str], other: Sequence[str]) -> str:
    """Return what one side has and the other has not: `rx-gro, no rx-lro`; all if nothing is."""
    more = [part for part in own if part not in other]
    less = [part for part in other if part not in own]
    if not (more or less) or len(more) == len(own):
        return ", ".join(own)
    return ", ".join((*more, *(f"no {part}" for part in less)))


def some(names: Iterable[str], all_of: Iterable[str], noun: str, most: int = _NAMED) -> str:
    """Return `all drivers`, `bridge and host`, or `bridge, host and 5 more`."""
    found, whole = list(dict.fromkeys(names)), set(all_of)
    if len(whole) > 1 and whole <= set(found):
        return f"all {noun}s"
    return few(found, most)


def _places(pairing: Pairing, found: Sequence[RunDifference]) -> str:
    """Return where a fact differs; a path only where it does so on some paths alone."""
    made = pairing.contrasts
    scopes = [one.scope for one in found]
    drivers = [scope.driver for scope in scopes if scope.driver]
    probes = [scope.probe for scope in scopes if scope.probe]
    paths = [scope.path for scope in scopes if scope.path]
    at = [scope.placement for scope in scopes if scope.placement]
    details = list(dict.fromkeys(scope.detail for scope in scopes if scope.detail))
    parts = [
        some(drivers, (one.driver for one in made), "driver"),
        some(probes, (one.probe for one in made), "probe"),
        joined([word for name, word in PLACEMENTS.items() if name in at]),
    ]
    if not {one.path for one in made} <= set(paths):
        parts.append(joined(list(dict.fromkeys(paths))))
    if details and len(set(drivers)) == 1:
        parts.append(plain(details[0]) if len(details) == 1 else counted(len(details), "link"))
    return ", ".join(part for part in parts if part)


def free_line(pairing: Pairing) -> str:
    """Return what differs and may do so; empty where nothing does."""
    free = [one for one in pairing.differences if not one.confounder and not one.unknown]
    if not free:
        return ""
    return f"Differs too, and decides nothing: {some((one.fact for one in free), (), 'fact')}"


def unknown_line(pairing: Pairing) -> str:
    """Return which facts that count one run did not record; empty where both have all."""
    found = [one for one in pairing.differences if may_confound(one)]
    lacking = grouped((unread(one.right), one.fact) for one in found)
    parts = [
        f"by {run.label}: {some(lacking[right], (), 'fact', _UNKNOWN)}"
        for run, right in ((pairing.left, False), (pairing.right, True))
        if right in lacking
    ]
    return f"Not recorded {'; '.join(parts)}" if parts else ""


def to_accept(comparison: RunComparison) -> tuple[str, ...]:
    """Return what `--accept` takes to compare all that is withheld; a family as `kernel.*`."""
    made = chain.from_iterable(pairing.contrasts for pairing in comparison.pairings)
    facts = dict.fromkeys(fact_of(name) for one in made for name in one.withheld)
    families = grouped((fact.partition(".")[0], fact) for fact in facts)
    return tuple(own[0] if len(own) == 1 else f"{name}.*" for name, own in families.items())


def accept_options(comparison: RunComparison) -> tuple[str, ...]:
    """Return the options that compare all that is withheld, for a shell: `--accept 'kernel.*'`."""
    return tuple(plain(f"--accept {shlex.quote(name)}") for name in to_accept(comparison))


def accept_line(comparison: RunComparison) -> str:
    """Return what to add to the command so that nothing is withheld; empty where nothing is."""
    options = " ".join(accept_options(comparison))
    return f"To compare all the same, add: {options}" if options else ""


def accepted_line(comparison: RunComparison) -> str:
    """Return what the user let differ; empty where nothing."""
    if not comparison.accept:
        return ""
    differing = [d for p in comparison.pairings for d in p.differences if d.accepted]
    facts = dict.fromkeys(one.fact for one in differing if one.confounder)
    asked = " ".join(f"--accept {name}" for name in comparison.accept)
    if not facts:
        return plain(f"{asked}: none of these facts differs.")
    verb = "differs" if len(facts) == 1 else "differ"
    return plain(f"{asked}: {some(facts, (), 'fact')} {verb}, which may cause any change.")


def _machine_line(pairing: Pairing) -> str:
    """Return what the sentinel says of the machine on each placement's CPUs; empty without one."""
    parts = []
    for state in pairing.machine:
        left, right = (units.quantity(one, state.unit) for one in (state.left, state.right))
        change = f"{units.percent(state.ratio)} {PLACEMENTS[state.placement]}"
        parts.append(f"{change} ({left}, then {right})")
    return f"Machine, by the sentinel: {', '.join(parts)}" if parts else ""


def _only(cells: Sequence[Cell], other: ComparedSide) -> str:
    """Return `drivers overlay and none; path north-south; 3 more cells`: each cell once."""
    theirs, left, parts = other.info.plan.cells, list(cells), []
    for noun in ("driver", "path", "probe"):
        known = {str(getattr(cell, noun)) for cell in theirs}
        own = [str(getattr(cell, noun)) for cell in left]
        names = list(dict.fromkeys(name for name in own if name not in known))
        if names:
            parts.append(f"{noun}{'s' if len(names) > 1 else ''} {some(names, (), noun)}")
        left = [cell for cell, name in zip(left, own, strict=True) if name in known]
    if left:
        parts.append(counted(len(left), "more cell" if parts else "cell"))
    return "; ".join(parts)
