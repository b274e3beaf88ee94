import math
from dataclasses import replace
from pathlib import Path
from random import Random

import kinds
import numpy as np
import pytest
import simulate
import tables
from injected import Limiter
from kinds import KINDS
from proportions import Proportion
from short import ShortRoundTrips, ShortStream
from simulate import Terms, row
from worlds import ARMS, BASE, DRIVER, SECOND, World, draw

from netbench.analysis import Verdict
from netbench.plan import Options, parse
from netbench.probes import PROBES, Probe

FOLDER = Path(__file__).parent.parent.parent / "benchmarks" / "calibration"


def test_an_interval_of_a_proportion_is_exact() -> None:
    # With no hit in n the upper end solves (1 - p)^n = 0.025; with only hits it mirrors that.
    assert Proportion(0, 200).bounds == (0.0, pytest.approx(1 - 0.025 ** (1 / 200)))
    assert Proportion(200, 200).bounds == (pytest.approx(0.025 ** (1 / 200)), 1.0)
    low, high = Proportion(10, 200).bounds
    assert (low, high) == (pytest.approx(0.0242, abs=1e-4), pytest.approx(0.0900, abs=1e-4))


def test_every_block_of_a_simulated_campaign_has_each_arm_once() -> None:
    still = World("still", "", lambda _, count: np.arange(count) * 1e-3)

    drawn = draw(still, np.random.default_rng(1), 50, 0.9)

    assert drawn.logs.shape == (50, ARMS)
    assert (np.sort(drawn.positions, axis=1) == np.arange(1, ARMS + 1)).all()
    # The stray follows the order in which trials run, and the driver alone has the effect.
    start = np.arange(50)[:, np.newaxis] * ARMS
    strays = (start + drawn.positions - 1) * 1e-3
    assert drawn.logs[:, [BASE, SECOND]] == pytest.approx(strays[:, [BASE, SECOND]])
    assert drawn.logs[:, DRIVER] == pytest.approx(strays[:, DRIVER] + math.log(0.9))
    assert len(set(map(tuple, drawn.positions))) == math.factorial(ARMS)


def test_simulated_campaigns_come_from_their_terms_alone() -> None:
    terms = Terms("normal", 0.9)

    assert row(terms, 40) == row(terms, 40)
    assert row(terms, 40) != replace(row(replace(terms, ratio=0.97), 40), terms=terms)


def test_a_verdict_is_wrong_where_the_truth_contradicts_it() -> None:
    told = {
        verdict: [simulate.wrong(verdict, Terms("normal", r)) for r in (0.9, 0.97, 1.0, 1.1)]
        for verdict in Verdict
    }

    assert told == {
        Verdict.FASTER: [True, True, True, False],
        Verdict.SLOWER: [False, True, True, True],
        Verdict.EQUIVALENT: [True, False, False, True],
        Verdict.UNDECIDED: [False] * 4,
    }


def test_the_interval_alone_errs_in_at_most_five_percent_of_campaigns() -> None:
    found = row(Terms("normal", 1.0, margin=0.0, precision=0.0, gates=False), 400)

    assert found.wrong <= 20
    assert found.always >= 380


def test_a_true_effect_is_found_and_never_with_the_wrong_sign() -> None:
    found = row(Terms("ratio-5", 0.9, precision=0.0), 200)

    assert found.wrong == 0
    assert found.verdicts["slower"] >= 190


def test_blocks_by_theory_are_the_first_whose_interval_fits() -> None:
    # tau is 3.87 at n = 10 and 3.68 at n = 12: 3.68 x 0.05 / sqrt(12) = 0.0531.
    distance = -math.log(0.9) - math.log(1.05)
    assert tables.by_theory(0.05, distance) == 12
    assert tables.by_theory(10.0, 0.01) is None


def test_a_limiter_has_its_ratio_and_its_course() -> None:
    random = Random(1)  # noqa: S311 -- noise
    steady = Limiter(1e9, 0.9)
    assert steady.at(random, 0.3, changed=True) / steady.at(random, 0.3, changed=False) == 0.9
    step = replace(steady, course="step")
    assert [step.at(random, t, changed=False) for t in (0.0, 0.49, 0.5, 1.0)] == [
        1e9,
        1e9,
        0.7e9,
        0.7e9,
    ]
    noisy = replace(steady, noise=0.03)
    logs = [math.log(noisy.at(random, 0.0, changed=False) / 1e9) for _ in range(2000)]
    assert np.mean(logs) == pytest.approx(0, abs=0.003)
    assert np.std(logs) == pytest.approx(0.03, rel=0.1)


def test_every_kind_of_campaign_is_a_run_that_can_be_planned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for probe in (ShortStream, ShortRoundTrips):
        monkeypatch.setitem(PROBES, probe.name, probe)

    for kind in KINDS:
        suite = str(FOLDER / f"{kind.suite}.toml")
        request = parse(Options(drivers=f"{kinds.BASELINE},{kinds.DRIVER}", suite=suite))
        assert len(request.suite.cells) == 1


def test_the_short_probes_are_probes() -> None:
    assert isinstance(ShortStream(), Probe)
    assert isinstance(ShortRoundTrips(), Probe)


def test_only_what_is_between_markers_is_built_anew() -> None:
    page = "a\n<!-- table x -->\nold\n<!-- end -->\nb\n<!-- table y -->\n<!-- end -->\n"

    assert tables.filled(page, {"x": "new\n", "y": "other\n"}) == (
        "a\n<!-- table x -->\nnew\n<!-- end -->\nb\n<!-- table y -->\nother\n<!-- end -->\n"
    )
