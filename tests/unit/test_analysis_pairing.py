from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.campaign import Campaign, noisy

from netbench.analysis import Analysis, Contrast, Verdict, analyse
from netbench.analysis.columns import words
from netbench.analysis.pairing import Observed, arms, joined, judged
from netbench.analysis.states import SINGLE, STATES, between
from netbench.record import Budget, Record
from netbench.sentinel.rule import agree, state_between

FAST, SLOW = 50e9, 28e9
Sentinel = Callable[[int, str, int], tuple[float | None, float | None]]


def levels(moved: set[int], blocks: int) -> Sentinel:
    """A machine whose levels fill the range without a gap; bridge meets another in some blocks."""
    spread = np.geomspace(SLOW, FAST, blocks)

    def around(block: int, driver: str, _replica: int) -> tuple[float, float]:
        level = float(spread[block - 1])
        if driver == "bridge" and block in moved:
            level = SLOW if level > 1.5 * SLOW else FAST
        return level, level

    return around


def judge(moved: set[int], blocks: int = 10) -> Analysis:
    """A run in which bridge gives half of its rate where it met a slower machine."""
    noise = noisy({"bridge": 0.8})

    def model(driver: str, replica: int, block: int) -> float:
        value = noise(driver, replica, block)
        assert isinstance(value, float)
        return value * (0.5 if driver == "bridge" and block in moved else 1.0)

    campaign = Campaign(model, blocks=blocks, sentinel=levels(moved, blocks))
    return analyse(campaign.info(), campaign.records())


def only(analysis: Analysis) -> Contrast:
    (contrast,) = analysis.contrasts
    return contrast


def test_pairs_that_met_two_machines_are_left_out_where_enough_are_left() -> None:
    contrast = only(judge({9, 10}))

    assert (contrast.state, contrast.blocks, contrast.verdict) == ("single", 8, Verdict.SLOWER)
    assert contrast.ratio == pytest.approx(0.8, rel=0.02)
    assert [delta.block for delta in contrast.deltas] == list(range(1, 9))
    (warning,) = contrast.warnings
    assert warning.kind == "unsteady-pairs"
    assert "around 2 of 10 pairs: they are left out" in warning.message


def test_where_too_few_are_left_all_pairs_count_and_that_is_said() -> None:
    contrast = only(judge({1, 2, 8, 9, 10}))

    assert contrast.blocks == 10
    (warning,) = [w for w in contrast.warnings if w.kind == "unsteady-pairs"]
    assert "around 5 of 10 pairs: they count all the same" in warning.message
    assert "from 6 steady pairs on" in warning.advice


def test_a_steady_machine_loses_no_pair() -> None:
    contrast = only(judge(set()))

    assert (contrast.blocks, contrast.warnings) == (10, ())


Seen = tuple[str, int, int, float | None, float | None]
"""Driver, replica, block and the readings around the trial."""


def observed(*trials: Seen) -> Observed:
    """One number of each of these trials, in one state: 1 of first arms, 2 of second ones."""
    drivers, replicas, blocks, before, after = map(list, zip(*trials, strict=True))
    numbers = np.arange(1, len(trials) + 1)
    return Observed(
        driver=words(drivers),
        replica=np.array(replicas),
        block=np.array(blocks),
        attempt=np.ones(len(trials), np.int64),
        record=numbers,
        position=numbers,
        state=np.full(len(trials), SINGLE, np.int32),
        value=np.array(replicas) + 1.0,
        before=np.array(before, np.float64),
        after=np.array(after, np.float64),
    )


def test_the_baselines_other_arm_stands_in_where_it_met_the_same_machine() -> None:
    found = observed(
        ("bridge", 0, 1, FAST, FAST), ("host", 0, 1, SLOW, SLOW), ("host", 1, 1, FAST, FAST)
    )

    pairs = joined(arms(found, "bridge"), arms(found, "host"))

    assert (pairs.baseline.tolist(), pairs.steady.tolist()) == ([2.0], [True])


def test_a_pair_whose_readings_are_missing_is_not_called_unsteady() -> None:
    found = observed(("bridge", 0, 1, None, None), ("host", 0, 1, None, None))

    pairs = joined(arms(found, "bridge"), arms(found, "host"))

    assert pairs.steady.tolist() == [True]
    assert len(judged(pairs, "single", 1)) == 1


READINGS = st.none() | st.floats(1, 4) | st.sampled_from([2.0, 3.0, 4.5])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bridge", "host"]),
            st.integers(0, 1),
            st.integers(1, 4),
            READINGS,
            READINGS,
        ),
        min_size=1,
    )
)
def test_pairs_are_those_that_the_rule_finds_one_by_one(trials: list[Seen]) -> None:
    """The first trial of each arm and block; the first two whose readings agree, else the first."""
    found = observed(*trials)
    first: dict[tuple[str, int, int], Seen] = {}
    for trial in trials:
        first.setdefault(trial[:3], trial)
    expected = []
    for block in range(1, 5):
        sides = [
            [first[driver, n, block] for n in (0, 1) if (driver, n, block) in first]
            for driver in ("bridge", "host")
        ]
        options = list(product(*sides))
        meeting = [(one, two) for one, two in options if agree((*one[3:], *two[3:]))]
        if options:
            one, two = (meeting or options)[0]
            expected.append((block, one[1] + 1.0, two[1] + 1.0, bool(meeting)))

    pairs = joined(arms(found, "bridge"), arms(found, "host"))

    columns = (pairs.block, pairs.driver, pairs.baseline, pairs.steady)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@given(st.lists(st.tuples(READINGS, READINGS)), st.none() | st.sampled_from([2.0, 2.5]))
def test_states_are_those_that_the_rule_tells_one_by_one(
    readings: list[tuple[float | None, float | None]], threshold: float | None
) -> None:
    before, after = (np.array([pair[side] for pair in readings], np.float64) for side in (0, 1))

    found = [STATES[code] for code in between(before, after, threshold)]

    assert found == [state_between(*pair, threshold) for pair in readings]


def test_budgets_are_judged_by_the_same_pairs_as_contrasts() -> None:
    moved = {9, 10}
    noise = noisy({"bridge": 0.8})
    campaign = Campaign(
        lambda d, r, b: noise(d, r, b) * (0.5 if d == "bridge" and b in moved else 1.0),  # type: ignore[operator] # the model gives numbers
        blocks=10,
        sentinel=levels(moved, 10),
    )
    info = campaign.info()
    budget = Budget("bridge", "throughput", (), ">=", "host", 0.75, 0.0)
    plan = replace(info.plan, require=(budget,))
    (result,) = analyse(replace(info, plan=plan), campaign.records()).budgets

    assert result.blocks == 8
    assert result.measured == pytest.approx(0.8, rel=0.02)


def test_what_the_readings_say_does_not_depend_on_the_values() -> None:
    def pairs_of(records: list[Record]) -> list[int]:
        (contrast,) = analyse(campaign.info(), records).contrasts
        return [delta.block for delta in contrast.deltas]

    campaign = Campaign(noisy({"bridge": 0.8}), blocks=10, sentinel=levels({9, 10}, 10))
    other = replace(campaign, model=noisy({"bridge": 3.0}, deviation=0.3, seed=9))

    assert pairs_of(campaign.records()) == pairs_of(other.records())
