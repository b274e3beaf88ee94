"""How a time of the control plane grows: seconds for each further port, or neighbour.

The slope is Theil and Sen's: the median of the slopes between all trials with different numbers,
which one slow start does not move. Its interval is Sen's (1968), at 95 % and shared with nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.model import TrialPoint
from netbench.probes import ControlPlane
from netbench.record import FactValue, PlanSummary

FACTORS: Final = {"ports": "port", "neighbours": "neighbour"}
"""Parameters of `control-plane` that a time may grow with, and what one of each is called."""
LEAST: Final = 6  # trials from which on a slope has an interval, as blocks of a contrast
_USUAL: Final = {"endpoints": 1, **dict.fromkeys(FACTORS, 0)}  # of runs before they had a parameter


@dataclass(frozen=True, slots=True)
class Slope:
    """How one time of one driver grows with one parameter."""

    driver: str
    metric: str
    factor: str  # a key of `FACTORS`
    numbers: tuple[int, ...]  # that were measured, in ascending order
    slope: float  # seconds for one more
    low: float | None  # ends of its interval; None of few trials
    high: float | None
    trials: int


def slopes(plan: PlanSummary, points: Iterable[TrialPoint]) -> tuple[Slope, ...]:
    """Return the slope of every time that was measured with two numbers or more of a factor."""
    own = [point for point in points if not point.replica]
    return tuple(slope for factor in FACTORS for slope in _of_factor(plan, factor, own))


def _numbers(plan: PlanSummary, factor: str) -> Iterator[tuple[str, int]]:
    """Yield probes that differ in nothing but a factor, with its number, where there are two."""
    found: dict[str, dict[str, FactValue]] = {
        probe.name: {**_USUAL, **dict(probe.parameters)}
        for probe in plan.probes
        if probe.kind == ControlPlane.name
    }
    alike = grouped((_others(given, factor), name) for name, given in found.items())
    for names in alike.values():
        numbers = {name: int(str(found[name][factor])) for name in names}
        if len(set(numbers.values())) > 1:
            yield from numbers.items()


def _others(given: Mapping[str, FactValue], factor: str) -> tuple[tuple[str, FactValue], ...]:
    return tuple(sorted((name, value) for name, value in given.items() if name != factor))


def _of_factor(plan: PlanSummary, factor: str, points: list[TrialPoint]) -> Iterator[Slope]:
    numbers = dict(_numbers(plan, factor))
    own = [point for point in points if point.probe in numbers]
    for (driver, metric), those in grouped(((p.driver, p.metric), p) for p in own).items():
        x = [numbers[point.probe] for point in those]
        if len(set(x)) > 1:
            slope, low, high = _theil_sen(x, [point.value for point in those])
            known, many = tuple(sorted({*x})), len(x) >= LEAST
            low_end, high_end = (low, high) if many else (None, None)
            yield Slope(driver, metric, factor, known, slope, low_end, high_end, len(x))


def _theil_sen(x: list[int], y: list[float]) -> tuple[float, float, float]:
    from scipy import stats  # noqa: PLC0415 - slow to import

    found = stats.theilslopes(y, x, 0.95)
    return float(found.slope), float(found.low_slope), float(found.high_slope)
