"""What differs between two runs, graded by the facts registry: a confounder, or not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from netbench.analysis.compare.conditions import Conditions, Scope
from netbench.facts.registry import FACTS, declared
from netbench.record import Absent, FactValue

_LINKS: Final = "path.links"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One fact that two runs do not share."""

    fact: str
    scope: Scope
    """The trials that it is about."""
    left: FactValue | None
    """None where that run did not record it."""
    right: FactValue | None
    confounder: bool
    """Whether runs that differ in it are not compared, by the registry's rule."""
    meaning: str
    accepted: bool = False
    """Whether the user said that they are compared all the same."""

    @property
    def withholds(self) -> bool:
        """Whether it keeps the trials that it is about from being compared."""
        return self.confounder and not self.accepted

    def __str__(self) -> str:
        """Return `link.mtu (bridge, east-west, client eth0)`."""
        return f"{self.fact} ({self.scope})" if str(self.scope) else self.fact


def differences(left: Conditions, right: Conditions) -> tuple[RunDifference, ...]:
    """Return what differs, confounders first, then in the registry's order.

    A fact that only one run could read differs: that they are equal is not known. One that
    neither could read does not. What is about a driver's path, a probe or a placement counts only
    where both runs have it, and links one by one only where the paths have the same ones.
    """
    shared = [
        {part(scope) for _, scope in left} & {part(scope) for _, scope in right} for part in _PARTS
    ]
    apart = {
        _path(scope)
        for name, scope in (*left, *right)
        if name == _LINKS and left.get((name, scope)) != right.get((name, scope))
    }
    found = []
    for name, scope in dict.fromkeys((*left, *right)):
        if any(part(scope) not in both for part, both in zip(_PARTS, shared, strict=True)):
            continue
        if name.startswith("link.") and _path(scope) in apart:
            continue
        values = left.get((name, scope)), right.get((name, scope))
        if not _same(*values):
            known = declared(name)
            confounds = known is None or known.match != "varies"
            found.append(
                RunDifference(name, scope, *values, confounds, known.meaning if known else "")
            )
    order = list(FACTS)
    return tuple(
        sorted(found, key=lambda d: (not d.confounder, _rank(d.fact, order), str(d.scope)))
    )


def accepted(found: Iterable[RunDifference], patterns: Sequence[str]) -> tuple[RunDifference, ...]:
    """Return the differences, those whose fact a pattern names as accepted."""
    return tuple(
        replace(one, accepted=any(fnmatchcase(one.fact, pattern) for pattern in patterns))
        for one in found
    )


def confounders(
    found: Iterable[RunDifference], drivers: Iterable[str], path: str, probe: str, placement: str
) -> tuple[RunDifference, ...]:
    """Return what keeps these drivers' trials in this cell from being compared."""
    names = tuple(drivers)
    return tuple(
        one for one in found if one.withholds and one.scope.covers(names, path, probe, placement)
    )


def _path(scope: Scope) -> tuple[str | None, str | None]:
    return scope.driver, scope.path


def _probe(scope: Scope) -> str | None:
    return scope.probe


def _placement(scope: Scope) -> str | None:
    return scope.placement


_PARTS: Final[tuple[Callable[[Scope], object], ...]] = (_path, _probe, _placement)
"""What runs must share of a fact's scope for it to be told."""


def _same(left: FactValue | None, right: FactValue | None) -> bool:
    unread = [value is None or isinstance(value, Absent) for value in (left, right)]
    return all(unread) or (not any(unread) and left == right)


def _rank(name: str, order: Sequence[str]) -> int:
    known = declared(name)
    return order.index(known.name) if known and known.name in order else len(order)
