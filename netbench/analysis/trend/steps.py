"""Where a series of levels changes: steps, and drifts that are none (docs/trend.md).

Levels are logarithms, one a run. Between two breaks PELT (ruptures) cuts them into pieces, each
of which is a level, or a line where a line fits better by its own penalty; a step is a jump between
two pieces that is as large as the penalty asks of one, and that no slow change from one level to
the other explains as well. The noise comes from the differences of
neighbouring runs, which a step touches once and a drift hardly. The penalty is calibrated by
simulation (benchmarks/calibration/penalties.py): of series without a change, a share `alpha` has
one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from netbench.analysis.stats import Floats

LEAST: Final = 3  # runs of a piece: one odd run is no step
RELATIVE_SLOPE: Final = 0.5  # penalty of a line over that of a step, which chooses its place too
KEPT: Final = 0.8  # share of the squared differences that the noise is taken of, the smallest ones
_CONSISTENT: Final = 0.43770  # mean of so many of the smallest squares of a standard normal
CLIP: Final = 2.5  # noise by which a run may lie off the median of its neighbours; more is cut off
_NEIGHBOURS: Final = 2  # on each side, whose median that is
SLOW: Final = 8  # runs that a slow change takes at least
_PLACES: Final = 50  # where a slow change may begin or end, at most
SIZES: Final = (6, 8, 10, 14, 20, 30, 50, 100, 200)
CHANCES: Final = (0.05, 0.01, 0.002, 0.0005)
PENALTIES: Final = np.array(
    (
        (12.6, 30.6, 66.8, 127.4),  # 6 runs
        (9.5, 21.7, 43.0, 66.6),  # 8 runs
        (8.1, 16.7, 28.1, 48.3),  # 10 runs
        (9.4, 18.0, 29.2, 45.1),  # 14 runs
        (9.5, 16.6, 27.5, 36.3),  # 20 runs
        (10.0, 15.9, 23.8, 32.9),  # 30 runs
        (10.5, 15.6, 21.6, 25.1),  # 50 runs
        (10.7, 15.2, 21.5, 25.1),  # 100 runs
        (11.5, 15.5, 21.5, 25.1),  # 200 runs
    )
)
"""Penalty by the number of runs and the chance of a false change."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring runs at one level, or on one line."""

    start: int
    end: int  # the first run behind it
    level: float  # in its middle
    slope: float  # a run; 0 for a level

    @property
    def size(self) -> int:
        """How many runs it has."""
        return self.end - self.start

    @property
    def parameters(self) -> int:
        """How many numbers describe it."""
        return 2 if self.slope else 1

    def at(self, place: float) -> float:
        """Return its value at a run, or between two."""
        return self.level + self.slope * (place - (self.start + self.end - 1) / 2)

    def variance(self, place: float) -> float:
        """Return the variance of that value, as a share of the variance of a run."""
        lever = place - (self.start + self.end - 1) / 2
        return 1 / self.size + (lever**2 / _spread(self.size) if self.slope else 0.0)


@dataclass(frozen=True, slots=True)
class Pieces:
    """How a series is cut."""

    pieces: tuple[Piece, ...]
    steps: tuple[int, ...]  # the first run behind each step


def penalty(runs: int, chance: float) -> float:
    """Return what a change must explain, in variances of the noise; at least that of 6 runs."""
    return float(_interpolated(math.log(max(runs, SIZES[0])), math.log(chance)))


def _interpolated(size: float, chance: float) -> float:
    sizes, chances = np.log(SIZES), -np.log(CHANCES)
    by_chance = [np.interp(size, sizes, PENALTIES[:, n]) for n in range(len(CHANCES))]
    return float(np.interp(-chance, chances, by_chance))


def noise(parts: Sequence[Floats]) -> float:
    """Return the standard deviation of a run, from what neighbours differ by within each part."""
    squares = np.sort(np.concatenate([np.diff(part) ** 2 for part in parts]))
    if not len(squares):
        return 0.0
    kept = squares[: max(1, math.ceil(KEPT * len(squares)))]
    return math.sqrt(float(np.mean(kept)) / _CONSISTENT / 2)


def clipped(levels: Floats, deviation: float) -> Floats:
    """Return levels with odd ones drawn near their neighbours, so that one of them is no step."""
    count = len(levels)
    middle = np.array(
        [np.median(levels[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS + 1]) for at in range(count)]
    )
    return np.clip(levels, middle - CLIP * deviation, middle + CLIP * deviation)


def cut(levels: Floats, breaks: Sequence[int], floor: float, chance: float) -> Pieces:
    """Return the pieces of a series, which never reach over a break, and its steps.

    `breaks` are the first runs behind each; `floor` is the least deviation that a run can have, by
    the blocks within it; `chance` is that of a change where there is none.
    """
    ends = [0, *breaks, len(levels)]
    parts = [levels[start:end] for start, end in pairwise(ends)]
    deviation = max(noise(parts), floor)
    asked = penalty(len(levels), chance / len(parts))
    pieces: list[Piece] = []
    steps: list[int] = []
    for start, part in zip(ends, parts, strict=False):
        scaled = clipped(part, deviation) / deviation if deviation else part * 0
        found, jumps = _told(scaled, _pieces(scaled, asked), asked)
        steps += [start + place for place in jumps]
        pieces += [_moved(piece, part, start) for piece in found]
    return Pieces(tuple(pieces), tuple(steps))


def _told(scaled: Floats, pieces: Sequence[Piece], asked: float) -> tuple[list[Piece], list[int]]:
    """Return pieces and the steps between them; a slow change is a line between two levels."""
    kept, steps = [pieces[0]], list[int]()
    for right in pieces[1:]:
        left = kept[-1]
        levels = not (left.slope or right.slope)
        slow = _slow_change(scaled, left, right, asked)
        if levels and slow is not None:
            kept[-1:] = _between(scaled, left.start, slow, right.end)
            continue
        if levels or (slow is None and _jumps(left, right, asked)):
            steps.append(right.start)
        kept.append(right)
    return kept, steps


def _slow_change(scaled: Floats, left: Piece, right: Piece, asked: float) -> tuple[int, int] | None:
    """Return the last run before a slow change and the first one behind it, if there is one.

    It goes from one level to another along a line, over `SLOW` runs at least, and explains two
    pieces as well as the jump between them; beside a line the jump must be worth more.
    """
    own = scaled[left.start : right.end]
    count = len(own)
    if count < SLOW:
        return None
    grid = np.unique(np.linspace(-1, count, min(_PLACES, count + 2)).astype(int))
    begins, ends = (one.ravel() for one in np.meshgrid(grid, grid, indexing="ij"))
    apart = ends - begins >= SLOW
    begins, ends = begins[apart], ends[apart]
    weights = np.clip((np.arange(count) - begins[:, None]) / (ends - begins)[:, None], 0, 1)
    weights -= weights.mean(axis=1, keepdims=True)
    along = weights @ own
    left_over = float(np.sum((own - own.mean()) ** 2)) - along**2 / np.sum(weights**2, axis=1)
    best = int(np.argmin(left_over))
    jump = _squares(scaled, left) + _squares(scaled, right)
    more = RELATIVE_SLOPE * asked if left.slope or right.slope else 0.0
    if left_over[best] >= jump + more:
        return None
    return left.start + int(begins[best]), left.start + int(ends[best])


def _squares(scaled: Floats, piece: Piece) -> float:
    fitted = [piece.at(place) for place in range(piece.start, piece.end)]
    return float(np.sum((scaled[piece.start : piece.end] - fitted) ** 2))


def _between(scaled: Floats, start: int, slow: tuple[int, int], end: int) -> list[Piece]:
    """Return a level, a line and a level; a level of too few runs is a part of the line."""
    begin, stop = slow[0] + 1, slow[1]
    begin = start if begin - start < LEAST else begin
    stop = end if end - stop < LEAST else stop
    levels = [(start, begin, math.inf), (begin, stop, 0.0), (stop, end, math.inf)]
    return [_piece(scaled, a, b, asked) for a, b, asked in levels if b > a]


def _pieces(scaled: Floats, asked: float) -> list[Piece]:
    """Return the pieces of levels whose noise is 1."""
    if len(scaled) < 2 * LEAST:
        return [_piece(scaled, 0, len(scaled), math.inf)]
    import ruptures  # noqa: PLC0415 -- slow to import

    search = ruptures.Pelt(custom_cost=_cost(asked), min_size=LEAST, jump=1)
    ends = [0, *search.fit(scaled).predict(asked)]
    return [_piece(scaled, start, end, asked) for start, end in pairwise(ends)]


def _piece(scaled: Floats, start: int, end: int, asked: float) -> Piece:
    own = scaled[start:end]
    count = len(own)
    slope = 0.0
    if count >= LEAST:
        slope = float((np.arange(count) - (count - 1) / 2) @ own) / _spread(count)
        if slope**2 * _spread(count) <= RELATIVE_SLOPE * asked:
            slope = 0.0
    return Piece(start, end, float(np.mean(own)) if count else 0.0, slope)


def _moved(piece: Piece, part: Floats, start: int) -> Piece:
    """Return a piece at its place in the series, fitted to the levels as they are."""
    begin, end = piece.start, piece.end
    fitted = _piece(part, begin, end, 0.0 if piece.slope else math.inf)
    return Piece(start + begin, start + end, fitted.level, fitted.slope)


def _spread(count: int) -> float:
    """Return the sum of squares of the places of so many runs around their middle."""
    return count * (count**2 - 1) / 12


def _jumps(left: Piece, right: Piece, asked: float) -> bool:
    """Tell whether there is a step between two pieces, not only the end of a drift."""
    place = right.start - 0.5
    jump = right.at(place) - left.at(place)
    if not (left.slope or right.slope):
        return True
    return jump**2 / (left.variance(place) + right.variance(place)) > asked


def _cost(asked: float) -> Any:
    """Return the cost of a piece for ruptures: the squares around its level, or around its line."""
    from ruptures.base import BaseCost  # noqa: PLC0415 -- slow to import

    class LevelOrLine(BaseCost):  # type: ignore[misc]  # ruptures has no types
        model = "level or line"
        min_size = LEAST

        def fit(self, signal: Floats) -> "LevelOrLine":
            self.signal = signal
            weighted = signal * np.arange(len(signal))
            sums = [np.cumsum(one) for one in (signal, signal**2, weighted)]
            self._sums = np.concatenate([np.zeros((3, 1)), sums], axis=1)
            return self

        def error(self, start: int, end: int) -> float:
            total, squares, weighted = self._sums[:, end] - self._sums[:, start]
            count = end - start
            level = squares - total**2 / count
            along = weighted - (start + end - 1) / 2 * total
            return float(min(level, level - along**2 / _spread(count) + RELATIVE_SLOPE * asked))

    return LevelOrLine()
