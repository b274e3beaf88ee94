"""summary.md: the answer, what limits it, a table for each path, and how to go on."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import Reported, contrast_of, reported

from netbench.analysis import Contrast, QualityWarning, Verdict
from netbench.report import headline, markdown
from netbench.report.answer import what
from netbench.report.conditions import Badges
from netbench.report.driver_costs import driver_costs
from netbench.report.labels import capital
from netbench.report.summary import escaped
from netbench.store import load
from netbench.workflow.reporting import judge_run

RUN: Final = reported()
SAMPLES: Final = Path(__file__).parents[2] / "reports" / "sample"


def columns(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line))


def table(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def summary_of(run: Reported, folder: str = "") -> str:
    return markdown(run.info, run.analysis, run.digest, folder)


def with_contrasts(*contrasts: Contrast) -> Reported:
    """Return a run of the contrasts' drivers, none of which has a record."""
    names = tuple(dict.fromkeys(contrast.driver for contrast in contrasts))
    info = replace(RUN.info, plan=replace(RUN.info.plan, drivers=("host", *names)))
    return replace(RUN, info=info, analysis=replace(RUN.analysis, contrasts=contrasts))


@cache
def sample(name: str) -> Reported:
    """Return one of the sample runs of ten drivers."""
    run = load(SAMPLES / name)
    analysis, digest = judge_run(run, run.info)
    return Reported(run.info, (), analysis, digest)


def test_the_answer_is_the_first_heading_after_the_title() -> None:
    headings = [line for line in summary_of(RUN).splitlines() if line.startswith("#")]

    assert headings[0] == "### netbench: none, bridge, bridge:user and container against host"
    assert headings[1:] == [
        f"#### {escaped(headline(RUN.info, RUN.analysis, RUN.digest))}",
    ]


def test_the_caveats_stand_between_the_answer_and_the_table() -> None:
    text = summary_of(RUN)

    caveats = "; ".join(Badges(RUN.info, RUN.analysis, RUN.digest).lines())
    before, _, after = text.partition(f"**Caveats**: {escaped(caveats)}\n")
    assert "virtual machine" in caveats
    assert before.splitlines()[-2].startswith("#### ")
    assert after.lstrip().startswith("| Container to container |")


def test_what_only_describes_is_a_line_each_with_the_baseline_beside() -> None:
    ten = sample("standard")
    two = replace(
        ten, info=replace(ten.info, plan=replace(ten.info.plan, drivers=("host", "bridge")))
    )
    text = summary_of(two)
    lines = [line for line in table(text) if "of tcp-crr" in line]

    assert "| Container to container, only described | host | bridge |" in text
    assert len(lines) == 1
    assert columns(lines[0]) == 4
    assert "undecided" in lines[0].split("|")[3]
    assert "only described" not in summary_of(ten)


def test_the_table_has_a_row_for_each_driver_and_a_column_for_each_measure() -> None:
    head, _, *rows = table(summary_of(RUN))

    costs = driver_costs(RUN.info, RUN.analysis, RUN.digest)
    measures = [capital(what(*measure)) for measure in costs[0].costs]
    assert head == f"| Container to container | {' | '.join(measures)} |"
    assert len(measures) == 3
    assert [row.split(" | ")[0] for row in rows] == [
        "| host (baseline; over loopback, MTU 65536)",
        *("| none", "| bridge", "| bridge:user", "| container (over loopback, MTU 65536)"),
    ]
    for row, own in zip(rows, costs, strict=True):
        medians = [cost.median for cost in own.costs.values()]
        assert all(median in row for median in medians)


def test_a_cell_says_what_is_decided_with_its_interval_and_why_another_is_not() -> None:
    undecided = contrast_of(
        driver="container",
        verdict=Verdict.UNDECIDED,
        reason="only 4 of 6 needed blocks",
        low=None,
        high=None,
    )
    text = summary_of(with_contrasts(contrast_of(), undecided))

    rows = {row.partition(" (")[0].split(" | ")[0]: row for row in table(text)}
    assert "| **22 % less** \\[19 to 25\\]<br>" in rows["| bridge"]
    assert "| undecided: only 4 of 6 needed blocks<br>" in rows["| container"]
    assert "unbounded" not in text


def test_what_is_isolated_has_no_path_and_its_evidence_is_in_the_report() -> None:
    text = summary_of(RUN)

    assert f"| none |{' no path, by design |' * 3}" in text
    assert "ENETUNREACH" not in text


def test_each_path_has_a_table_and_says_who_is_reached_by_a_published_port() -> None:
    text = summary_of(sample(""))

    heads = [line for line in table(text) if "Throughput" in line]
    assert [head.split(" | ")[0] for head in heads] == [
        "| Container to container",
        "| From the LAN",
    ]
    lan = text.partition("| From the LAN")[2]
    assert "| bridge (published port, nat) |" in lan
    assert "| macvlan:bridge |" in lan
    assert "| macvlan:private | no path, by design |" in text.partition("| From the LAN")[0]


@pytest.mark.parametrize("name", ["", "standard"])
def test_ten_drivers_are_forty_lines_with_all_that_decides(name: str) -> None:
    run = sample(name)
    text = summary_of(run, "run-1")

    assert len(run.info.plan.drivers) == 10
    assert text.count("\n") <= 40
    assert all(f"\n| {driver} " in text for driver in run.info.plan.drivers)
    assert f"95 %, shared by all {run.analysis.primary_contrasts} comparisons" in text
    assert "- CPU time per byte" in text
    assert "`netbench run --resume run-1 --blocks +" in text
    assert "`netbench run --engine docker --drivers none,host," in text
    assert f"Run {run.info.id} · " in text
    for word in ("unbounded", "ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED"):
        assert word not in text


def test_what_failed_and_what_is_doubted_is_counted_on_a_line_each() -> None:
    many = tuple(QualityWarning("odd", f"seen {i}", "look again") for i in range(1000))
    run = replace(RUN, analysis=replace(RUN.analysis, warnings=many))

    text = summary_of(run)

    lines = [line for line in text.splitlines() if line.startswith("- ")]
    failed = [line for line in lines if "failed" in line]
    assert failed == [
        (
            "- 1 of 144 records failed (bridge:user); most often: iperf3: unable to connect to "
            "server: Connection refused. All reasons are in report.html."
        )
    ]
    warned = [line for line in lines if "warning" in line]
    assert len(warned) == 1
    assert "odd 1000×" in warned[0]
    assert len(text) < 6_000


@given(st.text(min_size=1).filter(lambda name: name != "host"))
def test_no_name_breaks_the_table(name: str) -> None:
    lines = table(summary_of(with_contrasts(contrast_of(driver=name))))

    assert len(lines) == 4
    assert len({columns(line) for line in lines}) == 1


def test_no_html_of_others_gets_through() -> None:
    hostile = "<img src=x>"
    run = with_contrasts(contrast_of(driver=hostile))
    run = replace(run, info=replace(run.info, command=("netbench", "`", hostile)))

    text = summary_of(run)

    assert f"`` netbench '`' '{hostile}' ``" in text
    outside = re.sub(r"``.*?``", "", text).replace("<br>", "")
    assert not re.search(r"(?<!\\)<", outside)


def test_of_many_drivers_those_with_a_verdict_are_kept() -> None:
    run = with_contrasts(
        *(
            contrast_of(
                driver=f"driver-{i}", verdict=Verdict.UNDECIDED if i % 3 else Verdict.SLOWER
            )
            for i in range(30)
        )
    )

    text = summary_of(run)

    rows = table(text)[2:]
    assert len(rows) == 20
    assert rows[0].startswith("| host (baseline; over loopback, MTU 65536) |")
    assert all("% less" in row for row in rows[1:11])
    assert "11 more drivers are in report.html." in text


def test_names_of_any_length_stay_short_enough() -> None:
    names = tuple(f"plugin:{'long-name ' * 30}{i}" for i in range(12))

    text = summary_of(with_contrasts(*(contrast_of(driver=name) for name in names)))

    assert len(text) <= 9_000
