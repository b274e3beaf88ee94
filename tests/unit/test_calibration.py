import math
from dataclasses import replace
from pathlib import Path
from random import Random

import campaigns
import numpy as np
import pytest
import simulate
import slices
import tables
from campaigns import KINDS, Campaign, Found
from injected import Limiter
from proportions import Proportion
from simulate import Terms, row
from worlds import ARMS, BLOCK, DRIVER, FIRST, ROUNDS, SECOND, SLICE, WORLDS, World, deltas, draw

from netbench.analysis import Verdict
from netbench.analysis.stats import Interval
from netbench.plan import Options, parse

FOLDER = Path(__file__).parent.parent.parent / "benchmarks" / "calibration"
FOUND = Found(
    probe="tcp-rr",
    placement="same",
    metric="rtt_p50",
    verdict="equivalent",
    reason="",
    by_sign=False,
    blocks=6,
    ratio=1.01,
    low=0.99,
    high=1.03,
    deviation=0.01,
    null_ratio=1.0,
    null_low=0.98,
    null_high=1.02,
)


def test_an_interval_of_a_proportion_is_exact() -> None:
    # With no hit in n the upper end solves (1 - p)^n = 0.025; with only hits it mirrors that.
    assert Proportion(0, 200).bounds == (0.0, pytest.approx(1 - 0.025 ** (1 / 200)))
    assert Proportion(200, 200).bounds == (pytest.approx(0.025 ** (1 / 200)), 1.0)
    low, high = Proportion(10, 200).bounds
    assert (low, high) == (pytest.approx(0.0242, abs=1e-4), pytest.approx(0.0900, abs=1e-4))


def test_what_moves_all_arms_alike_cancels_within_a_round() -> None:
    steps = World(
        "steps",
        "",
        lambda _, runs, times: np.tile(np.floor(times / BLOCK), (runs, 1)),
        session=lambda _, shape: np.zeros(shape),
    )

    values = draw(steps, np.random.default_rng(1), 400, 6, 0.9)

    assert values.shape == (400, 6, ARMS)
    assert values.mean(axis=(0, 2)) - values[:, 0].mean() == pytest.approx(range(6), abs=0.01)
    assert np.std(deltas(values)) == pytest.approx(0.06 * math.sqrt(1.5 / ROUNDS), rel=0.1)
    assert deltas(values).mean() == pytest.approx(math.log(0.9), abs=0.005)


def test_every_arm_has_each_place_in_a_round_equally_often() -> None:
    rising = World(
        "rising",
        "",
        lambda _, runs, times: np.tile(times, (runs, 1)),
        session=lambda _, shape: np.zeros(shape),
    )

    values = draw(rising, np.random.default_rng(1), 4000, 1, 1.0)

    for arm in (FIRST, SECOND, DRIVER):
        assert values[:, 0, arm].mean() == pytest.approx(SLICE * (ROUNDS * ARMS - 1) / 2, abs=0.02)
    assert np.std(deltas(values)) > 0.1


def test_a_machine_stays_in_a_state_as_long_as_it_says() -> None:
    machine = WORLDS["flip-10"].machine
    assert machine is not None

    levels = machine(np.random.default_rng(2), 2000, np.array([0.0, 1.0, 1000.0]))

    # Two changes of state a second apart: (1 - exp(-2 x 1 / 10)) / 2.
    assert np.mean(levels[:, 0] != levels[:, 1]) == pytest.approx(0.0906, abs=0.02)
    assert np.mean(levels[:, 1] != levels[:, 2]) == pytest.approx(0.5, abs=0.04)


def test_simulated_runs_come_from_their_terms_alone() -> None:
    terms = Terms("normal", 0.9)

    assert row(terms, 40) == row(terms, 40)
    assert row(terms, 40) != replace(row(replace(terms, ratio=0.97), 40), terms=terms)


def test_a_true_effect_is_found_with_the_right_sign() -> None:
    found = row(Terms("normal", 0.9), 200)

    assert found.false == 0
    assert found.verdicts == {"slower": 200}


@pytest.mark.parametrize(
    ("half", "verdict", "expected"),
    [
        (0.029, Verdict.SLOWER, True),  # as narrow as was asked for
        (0.04, Verdict.SLOWER, True),  # all of it beyond the margin
        (0.06, Verdict.SLOWER, False),
        (None, Verdict.SLOWER, False),
        (0.01, Verdict.UNDECIDED, False),
    ],
)
def test_a_contrast_is_settled_by_sign_and_size(
    half: float | None, verdict: Verdict, *, expected: bool
) -> None:
    assert simulate.settled(Interval(8, -0.1, 0.02, half), verdict) is expected


def test_a_verdict_is_wrong_where_the_truth_contradicts_it() -> None:
    told = {
        verdict: [simulate.wrong(verdict, math.log(r)) for r in (0.9, 0.97, 1.0, 1.1)]
        for verdict in Verdict
    }

    assert told == {
        Verdict.FASTER: [True, True, True, False],
        Verdict.SLOWER: [False, False, True, True],
        Verdict.EQUIVALENT: [True, False, False, True],
        Verdict.UNDECIDED: [False] * 4,
    }


def test_less_latency_is_better_where_a_verdict_is_held_against_a_known_effect() -> None:
    slower, faster = (replace(FOUND, verdict=word) for word in ("slower", "faster"))
    stream = replace(slower, metric="throughput")

    assert [tables.contradicted(one, 1.11) for one in (slower, faster)] == [False, True]
    assert [tables.contradicted(stream, truth) for truth in (0.9, 1.11)] == [False, True]
    assert tables.contradicted(FOUND, 1.11)
    assert not tables.contradicted(FOUND, 1.03)


def test_a_limiter_has_its_ratio_and_its_noise() -> None:
    random = Random(1)  # noqa: S311 -- noise
    exact = Limiter(1e9, 0.9, noise=0.0)
    assert exact.draw(random, changed=True) / exact.draw(random, changed=False) == 0.9
    noisy = replace(exact, noise=0.03)
    logs = [math.log(noisy.draw(random, changed=False) / 1e9) for _ in range(2000)]
    assert np.mean(logs) == pytest.approx(0, abs=0.003)
    assert np.std(logs) == pytest.approx(0.03, rel=0.1)


def test_every_campaign_is_a_run_that_can_be_planned() -> None:
    for kind in KINDS:
        for suite in kind.suites:
            drivers = ",".join(campaigns.PAIRS.get(suite, campaigns.BRIDGES))
            request = parse(Options(drivers=drivers, suite=str(FOLDER / f"{suite}.toml")))

            assert 1 <= len(request.suite.cells) <= 2


def test_every_choice_of_slices_is_a_suite(tmp_path: Path) -> None:
    for choice in slices.CHOICES:
        file = tmp_path / "slices.toml"
        file.write_text(slices.suite(*choice))

        assert len(parse(Options(suite=str(file))).suite.cells) == 1


def test_campaigns_are_kept_as_lines_and_read_again(tmp_path: Path) -> None:
    kept = tmp_path / "campaigns.jsonl"
    ended = Campaign("quiet", 1, "cross", 12.0, 0, (FOUND,))
    campaigns.append(ended, kept)
    campaigns.append(replace(ended, number=2), kept)

    assert campaigns.load(kept) == [ended, replace(ended, number=2)]
    assert campaigns.load(tmp_path / "none.jsonl") == []


def test_false_verdicts_are_counted_by_campaign() -> None:
    false = replace(FOUND, verdict="slower", low=0.9, high=0.98)
    ended = {kind.name: [] for kind in KINDS}
    ended["quiet"] = [
        Campaign("quiet", 1, "cross", 12.0, 0, (FOUND, FOUND)),
        Campaign("quiet", 2, "same", 14.0, 0, (false, false)),
    ]

    line = tables.real(ended).splitlines()[-1]

    assert "| together: 2 | 1 of 2 = 50.0 %" in line
    assert "| slower 2, equivalent 2 |" in line
    assert "| 2 of 4 = 50.0 %" in line


def test_a_block_by_hand_is_the_mean_of_before_and_after() -> None:
    block = tables.fidelity.Block("netns", "bridge", "tcp-rr same", 1, 10.2e-6, 9e-6, 11e-6)

    assert block.log_ratio == pytest.approx(math.log(10.2 / math.sqrt(99)))
    # Three values with a deviation of 0.01: 4.303 x 0.01 / sqrt(3) to either side.
    ratio, low, high = tables.fidelity.summary([-0.01, 0.0, 0.01])
    assert (math.log(ratio), math.log(low)) == pytest.approx((0.0, -0.02484), abs=1e-4)
    assert high == pytest.approx(1 / low)


def test_only_what_is_between_markers_is_built_anew() -> None:
    page = "a\n<!-- table x -->\nold\n<!-- end -->\nb\n<!-- table y -->\n<!-- end -->\n"

    assert tables.filled(page, {"x": "new\n", "y": "other\n"}) == (
        "a\n<!-- table x -->\nnew\n<!-- end -->\nb\n<!-- table y -->\nother\n<!-- end -->\n"
    )
