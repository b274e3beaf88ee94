import math
from dataclasses import replace

import pytest
from support.several import run, scaled, taken, with_facts, with_mtu, with_records
from support.synthetic import Run

from netbench.analysis import Verdict
from netbench.analysis.compare import compare
from netbench.analysis.compare.model import Basis, RunComparison, RunContrast
from netbench.record import Failure, Record
from netbench.spec import Placement

ONE, TWO = run(1), run(2)


def beside(*runs: Run, accept: tuple[str, ...] = ()) -> RunComparison:
    labels = ("kept", "today", "third")
    return compare([taken(one, label) for one, label in zip(runs, labels, strict=False)], accept)


def primary(comparison: RunComparison) -> list[RunContrast]:
    return [one for pairing in comparison.pairings for one in pairing.contrasts if one.primary]


def of(comparison: RunComparison, driver: str, basis: Basis) -> list[RunContrast]:
    return [o for o in primary(comparison) if (o.driver, o.basis) == (driver, basis)]


def test_two_clean_runs_give_contrasts_with_intervals_and_none_differs() -> None:
    found = primary(beside(ONE, TWO))

    assert len(found) == 9
    for one in found:
        assert one.low is not None
        assert one.ratio is not None
        assert one.high is not None
        assert one.low <= one.ratio <= one.high
        assert one.verdict not in {Verdict.SLOWER, Verdict.FASTER}
        assert not one.withheld
    assert Verdict.EQUIVALENT in {one.verdict for one in found}


def test_a_driver_that_got_slower_is_told_first_both_ways() -> None:
    slower = scaled(TWO, 1.4, "bridge")
    found = [one for one in primary(beside(ONE, slower)) if one.placement is Placement.SAME]

    worse = [one for one in found if one.driver == "bridge"]
    assert {one.verdict for one in worse} == {Verdict.SLOWER}
    assert {one.basis for one in worse} == set(Basis)
    for one in worse:
        assert one.ratio == pytest.approx(1.4, rel=0.05)
    others = [one for one in found if one.driver == "host"]
    assert found.index(worse[-1]) < min(found.index(one) for one in others)
    assert Verdict.SLOWER not in {one.verdict for one in others}


def test_a_slower_machine_cancels_out_of_the_ratio_and_leaves_the_figure_undecided() -> None:
    comparison = beside(ONE, scaled(TWO, 0.8, machine=0.8))

    for one in of(comparison, "bridge", Basis.RELATIVE):
        assert one.ratio == pytest.approx(1, abs=0.03)
    for one in of(comparison, "bridge", Basis.ABSOLUTE):
        assert one.verdict is Verdict.UNDECIDED
        assert "machine-moved" in {warning.kind for warning in one.warnings}
        assert one.machine == pytest.approx(0.8, rel=0.02)


def test_figures_of_a_machine_with_two_levels_are_undecided_and_their_ratios_are_not() -> None:
    """Both runs meet the second core far away in some blocks, for all arms alike."""
    cross = [
        one
        for one in primary(beside(ONE, scaled(TWO, 1.4, "bridge")))
        if one.driver == "bridge" and one.placement is Placement.CROSS
    ]

    for one in cross:
        decided = one.verdict in {Verdict.FASTER, Verdict.SLOWER}
        assert decided == (one.basis is Basis.RELATIVE)
        assert one.reason.endswith("holds 1") == (not decided)


def test_another_machine_takes_back_what_is_no_larger_than_its_own_change() -> None:
    small, large = (
        primary(beside(ONE, scaled(TWO, factor, "bridge", machine=0.5))) for factor in (1.2, 8)
    )

    for one in small:
        assert one.verdict is Verdict.UNDECIDED
        assert "machine-moved" in {warning.kind for warning in one.warnings}
        assert one.reason.startswith(("the machine differs by -", "interval "))
    for one in (one for one in large if one.driver == "bridge" and one.basis is Basis.RELATIVE):
        assert one.verdict in {Verdict.SLOWER, Verdict.FASTER}
        assert "machine-moved" in {warning.kind for warning in one.warnings}
        assert one.reason == ""


def test_a_changed_kernel_withholds_everything_unless_accepted() -> None:
    other = with_facts(TWO, kernel__release="6.13.0")
    held, let = beside(ONE, other), beside(ONE, other, accept=("kernel.release",))

    assert held.pairings[0].withheld
    for one in primary(held):
        assert one.withheld == ("kernel.release",)
        assert (one.ratio, one.low, one.high) == (None, None, None)
        assert one.verdict is Verdict.UNDECIDED
        assert one.left.median
    assert not let.pairings[0].withheld
    assert all(one.ratio for one in primary(let))


def test_a_changed_mtu_withholds_its_driver_alone() -> None:
    comparison = beside(ONE, with_mtu(TWO, "bridge", 1400))

    assert all(one.withheld for one in primary(comparison) if one.driver == "bridge")
    assert not any(one.withheld for one in primary(comparison) if one.driver == "host")


def test_one_block_decides_nothing() -> None:
    for one in primary(beside(ONE, run(3, blocks=1))):
        assert one.verdict is Verdict.UNDECIDED
        assert "too-few-blocks" in {warning.kind for warning in one.warnings}
        assert one.low is None


def test_a_run_of_failures_alone_gives_reasons_instead_of_figures() -> None:
    def fail(record: Record) -> Record:
        return replace_outcome(record, Failure("client", "no route", "ENETUNREACH"))

    found = primary(beside(ONE, with_records(TWO, fail)))

    assert found
    for one in found:
        assert one.ratio is None
        assert one.right.reason == "no route"
        assert one.left.reason == ""


def replace_outcome(record: Record, outcome: Failure) -> Record:
    return replace(record, outcome=outcome)


def test_every_further_run_is_held_against_the_first_and_shares_the_error_rate() -> None:
    two, three = beside(ONE, TWO), beside(ONE, TWO, run(3))

    assert [(p.left.label, p.right.label) for p in three.pairings] == [
        ("kept", "today"),
        ("kept", "third"),
    ]
    assert three.contrasts == 2 * two.contrasts
    assert math.isclose(three.alpha, two.alpha / 2)
