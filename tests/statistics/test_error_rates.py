"""Error rates of the rules, over thousands of simulated series and campaigns."""

import math

import numpy as np
import pytest
from histories import Story, hold, tell
from simulate import Terms, row
from support.campaign import Campaign, noisy
from support.judged import adaptively, settled

from netbench.analysis import Verdict
from netbench.analysis.boundary import Looks, decided_sign, interval
from netbench.analysis.machine import moved
from netbench.analysis.stats import Floats, correlation, serial_correlation, strata, tau

ALPHA = 0.05


def errs(runs: Floats, looks: Looks, share: float) -> float:
    """Return the part of runs without an effect that are decided at any look."""
    wrong = 0
    for run in runs:
        for n in range(looks.first, len(run) + 1):
            bounds = interval(run[:n], looks, share).bounds
            missed = bounds is not None and not bounds[0] <= 0 <= bounds[1]
            if missed or decided_sign(run[:n], looks, share):
                wrong += 1
                break
    return wrong / len(runs)


@pytest.mark.parametrize("contrasts", [1, 3])
def test_all_planned_looks_together_spend_four_fifths_of_the_error_rate(contrasts: int) -> None:
    share = ALPHA / contrasts
    runs = np.random.default_rng(7).normal(0, 0.05, (3000, 20))

    assert errs(runs, Looks(6, 20), share) == pytest.approx(0.8 * share, abs=0.011)


def test_an_extended_run_stays_within_the_whole_error_rate() -> None:
    runs = np.random.default_rng(8).normal(0, 0.05, (1500, 36))

    assert errs(runs, Looks(6, 12), ALPHA) < 0.055


def test_false_differences_over_all_looks_are_rare() -> None:
    """METHOD: 2.2 % over looks at every n from 6 to 40; a naive t-interval gives over 24 %."""
    noise = np.random.default_rng(7).normal(0, 0.05, (2000, 40))
    alarms = {"mixture": 0, "naive": 0}
    naive = {n: 2.571 if n < 8 else 2.1 for n in range(6, 41)}
    for run in noise:
        looks = [(n, run[:n]) for n in range(6, 41)]
        errors = {n: abs(np.mean(d)) / (np.std(d, ddof=1) / math.sqrt(n)) for n, d in looks}
        alarms["mixture"] += any(t > (tau(n, 0.05) or math.inf) for n, t in errors.items())
        alarms["naive"] += any(t > naive[n] for n, t in errors.items())

    assert alarms["mixture"] / 2000 < 0.035
    assert alarms["naive"] / 2000 > 0.15


@pytest.mark.parametrize("n", [8, 12, 24])
def test_blocks_with_nothing_wrong_are_rarely_warned_of(n: int) -> None:
    draws = np.random.default_rng(11)
    runs = 1000
    noise = draws.normal(0, 0.02, (runs, n))
    shifts = draws.choice([-2.0, -1.0, 1.0, 2.0], (runs, n))
    arms = np.exp(draws.normal(0, 0.02, (runs, n)))

    assert sum(serial_correlation(d) is not None for d in noise) / runs < 0.02
    assert sum(correlation(*pair) is not None for pair in zip(noise, shifts, strict=True)) < 20
    assert sum(strata(np.log(arm), math.log(1.05)) is not None for arm in arms) / runs < 0.01


def test_identical_drivers_are_rarely_called_different_though_each_stops_when_it_will() -> None:
    """Family-wise: a campaign errs if any of its three contrasts is called different."""
    drivers = ("host", "a", "b", "c")
    wrong = 0
    for seed in range(60):
        campaign = Campaign(
            noisy({}, deviation=0.05, seed=seed),
            drivers=drivers,
            blocks=20,
            seed=seed,
            adaptive=True,
        )
        verdicts = {c.verdict for c in adaptively(campaign).contrasts}
        wrong += bool(verdicts & {Verdict.FASTER, Verdict.SLOWER})

    assert wrong <= 0.05 * 60


def test_a_tenth_less_is_decided_within_twelve_blocks_on_average() -> None:
    """At 5 % deviation of the log ratio, against a margin of 5 %."""
    left = []
    for seed in range(60):
        model = noisy({"bridge": 0.9}, deviation=0.05 / math.sqrt(2), seed=seed)
        left += settled(Campaign(model, blocks=40, seed=seed)).values()

    assert len(left) == 60
    assert {why for _, why in left} <= {"decided", "precise"}
    assert np.mean([block for block, _ in left]) <= 14


@pytest.mark.parametrize("blocks", [8, 12, 30])
def test_a_baseline_without_drift_is_seldom_called_drifting(blocks: int) -> None:
    # At 20 % noise the margin's size is no hurdle: this is the chance of the correlation alone.
    noise = np.random.default_rng(3)
    numbers = np.arange(1.0, blocks + 1)
    alarms = sum(
        moved(numbers, noise.normal(0, 0.2, blocks), 0.05) is not None for _ in range(4000)
    )

    assert alarms <= 64  # 1 % is 40; more than 64 has a chance of one in ten thousand


@pytest.mark.parametrize("world", ["normal", "flip-2", "t3"])
def test_identical_drivers_differ_in_at_most_five_percent_of_runs(world: str) -> None:
    found = row(Terms(world), 400)

    assert found.false <= found.ever_false <= 26
    assert found.covered >= 380
    assert found.naive > 2 * found.ever_false


def test_histories_are_read_with_few_false_steps_and_none_at_a_change_of_kernel() -> None:
    clear, drifting, still = (
        tell(Story(steps, drift, 0.05), 40) for steps, drift in ((0.1, 0), (0.1, 0.06), (0, 0))
    )

    assert clear.found >= 78  # of 80
    assert drifting.found >= 76
    assert clear.at_kernel == drifting.at_kernel == still.at_kernel == 0
    assert clear.breaks == drifting.breaks == still.breaks == 40
    assert clear.spoiled <= 2
    assert drifting.spoiled <= 6  # 4 % are 1.6
    assert still.spoiled + still.other_drifts <= 7  # 5 % are 2; more than 7 is one in a thousand


@pytest.mark.parametrize("history", [6, 20])
def test_runs_that_differ_from_day_to_day_are_not_called_different_with_a_history(
    history: int,
) -> None:
    with_it, alone = hold(history, 0.0, 400), hold(0, 0.0, 400)

    assert with_it.differs <= 33  # 5 % are 20
    assert alone.differs > 80
