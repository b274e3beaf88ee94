from dataclasses import replace

from support.synthetic import reported

from netbench.analysis.cell_key import CellKey
from netbench.analysis.digest_model import FailureReason
from netbench.report.validity import problem_lines
from netbench.spec import Placement


def test_one_reason_of_a_driver_stands_once_with_all_its_cells() -> None:
    run = reported()
    (none, skipped, every), (refused, failed, cells) = problem_lines(run.info, run.digest)

    assert (none.driver, none.times, every) == ("none", 24, ("all 3 cells",))
    assert skipped == "skip"
    assert (refused.driver, failed, refused.times) == ("bridge:user", "failure at client", 1)
    assert cells == ("tcp-throughput on two cores",)


def test_what_differs_stands_apart_in_the_order_of_the_plan() -> None:
    run = reported()
    cells = [
        CellKey("east-west", "tcp-rr", Placement.SAME),
        CellKey("east-west", "udp-rr", Placement.SAME),
        CellKey("north-south", "tcp-rr", Placement.CROSS),
    ]
    found = [
        FailureReason("container", cell, "failure", "server", "gone", "a", 2) for cell in cells
    ]
    other = FailureReason("bridge", cells[0], "failure", "server", "gone", "b", 1)
    digest = replace(run.digest, problems=(*found, other))

    (first, *_), (second, _, cells_of_it) = problem_lines(run.info, digest)

    assert (first.driver, first.evidence) == ("bridge", "b")
    assert cells_of_it == ("tcp-rr and udp-rr on one core", "tcp-rr on two cores from the LAN")
    assert second.times == 6
