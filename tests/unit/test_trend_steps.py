"""Where a series changes, on plain numbers: steps, drifts, odd runs and breaks."""

import math

import numpy as np
import pytest

from netbench.analysis.stats import Floats
from netbench.analysis.trend.steps import CHANCES, LEAST, PENALTIES, SIZES, Pieces, cut, penalty

SD = 0.01


def levels(seed: int, *parts: float, each: int = 10) -> Floats:
    """Return runs at the given levels, so many at each, with 1 % of noise."""
    noise = np.random.default_rng(seed).normal(0, SD, len(parts) * each)
    return np.repeat(parts, each) + noise


def found(series: Floats, *breaks: int, chance: float = 0.01, floor: float = 0.0) -> Pieces:
    return cut(series, breaks, floor, chance)


@pytest.mark.parametrize("seed", range(8))
def test_a_level_is_one_piece(seed: int) -> None:
    pieces = found(levels(seed, 0.1, 0.1, 0.1))

    assert [(piece.start, piece.end) for piece in pieces.pieces] == [(0, 30)]
    assert pieces.steps == ()


@pytest.mark.parametrize("seed", range(8))
def test_steps_up_and_down_are_found_where_they_are(seed: int) -> None:
    pieces = found(levels(seed, 0.0, 0.1, 0.03))

    assert pieces.steps == (10, 20)
    assert [round(piece.level, 1) for piece in pieces.pieces] == [0.0, 0.1, 0.0]


def test_a_step_at_a_break_is_the_breaks_and_one_beside_it_is_found() -> None:
    series = levels(3, 0.0, 0.1, 0.2)

    assert found(series, 10).steps == (20,)
    assert found(series, 10, 20).steps == ()
    assert [piece.start for piece in found(series, 10, 20).pieces] == [0, 10, 20]


@pytest.mark.parametrize("odd", [[14], [0], [29], [8, 20]])
def test_an_odd_run_is_no_step(odd: list[int]) -> None:
    series = levels(5, 0.0, 0.0, 0.0)
    series[odd] += 0.5

    assert found(series).steps == ()


def test_three_runs_make_a_step_and_two_do_not_yet() -> None:
    series = np.concatenate([levels(6, 0.0, 0.0), levels(7, 0.15)])

    assert found(series[: 20 + LEAST - 1]).steps == ()
    assert found(series[: 20 + LEAST]).steps == (20,)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_slow_drift_is_a_line_and_no_step(sign: int) -> None:
    ramp = sign * np.linspace(0, 0.12, 30)
    pieces = found(ramp + levels(8, 0.0, 0.0, 0.0))

    assert pieces.steps == ()
    (piece,) = pieces.pieces
    assert piece.slope * 29 == pytest.approx(sign * 0.12, abs=0.02)


def test_a_drift_between_two_levels_begins_and_ends_without_a_step() -> None:
    ramp = np.concatenate([np.zeros(10), np.linspace(0, 0.12, 20), np.full(10, 0.12)])
    pieces = found(ramp + levels(9, 0.0, 0.0, 0.0, 0.0))

    assert pieces.steps == ()
    assert any(piece.slope > 0 for piece in pieces.pieces)
    assert [piece.end for piece in pieces.pieces][-1] == 40


def test_what_the_blocks_of_a_run_leave_open_is_no_step() -> None:
    """Six runs that agree by chance, whose own intervals are wide, have less noise than theirs."""
    series = np.array([0.0, 0.0001, 0.0, 0.03, 0.0301, 0.03])

    assert found(series, chance=0.05).steps == (3,)
    assert found(series, chance=0.05, floor=0.02).steps == ()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_runs_are_one_piece(count: int) -> None:
    pieces = found(np.linspace(0, 5, count))

    assert pieces.steps == ()
    assert sum(piece.size for piece in pieces.pieces) == count


def test_runs_that_are_all_the_same_have_no_noise_and_no_step() -> None:
    assert found(np.zeros(20)).steps == ()


def test_a_rarer_mistake_asks_for_more_and_beyond_the_table_for_its_end() -> None:
    assert (PENALTIES > 0).all()
    assert (np.diff(PENALTIES, axis=1) > 0).all()
    asked = [penalty(25, chance) for chance in (0.05, 0.03, 0.01, 0.0005)]
    assert asked == sorted(asked)
    assert penalty(25, 1e-9) == penalty(25, CHANCES[-1])
    assert penalty(10_000, 0.01) == penalty(SIZES[-1], 0.01)
    assert penalty(1, 0.01) == penalty(SIZES[0], 0.01)
    assert math.isfinite(penalty(40, 1.0))


def test_a_long_history_is_cut_in_a_moment() -> None:
    series = levels(11, *(0.0, 0.1) * 5, each=40)

    assert found(series).steps == tuple(range(40, 400, 40))
