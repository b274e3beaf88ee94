import io
import json
from dataclasses import replace
from html import unescape

import pytest
from rich.console import Console
from support.synthetic import Reported, reported

from netbench.analysis import Standing, analyse
from netbench.plan import read_budgets, scope_of
from netbench.report import budgets_told, html, json_document, markdown, terminal
from netbench.report.budgets import ordered

MET = "bridge.rtt_p50@same <= 1.5 host"
NOT_MET = "bridge.rtt_p50@same <= host + 1us"
NOT_ALLOWED = "What is not decided is not kept; --allow-undecided lets it pass."
ALLOWED = "What is not decided is let pass, by --allow-undecided."
OPEN = "bridge.rtt_p50@same <= 1.24 host"


def budgeted(*expressions: str, allow: bool = False) -> Reported:
    """The synthetic run, whose bridge has 1.24 times host's round trip on one core."""
    run = reported(drivers=("host", "bridge"))
    problems: list[str] = []
    budgets = read_budgets(expressions, scope_of(run.info.plan), problems)
    assert problems == []
    plan = replace(run.info.plan, require=budgets, allow_undecided=allow)
    info = replace(run.info, plan=plan)
    return replace(run, info=info, analysis=analyse(info, run.records))


def printed(run: Reported) -> str:
    stream = io.StringIO()
    Console(file=stream, width=300, color_system=None).print(
        terminal(run.info, run.analysis, run.digest)
    )
    return stream.getvalue()


def test_those_not_met_come_first() -> None:
    run = budgeted(MET, OPEN, NOT_MET)

    assert [str(result.budget) for result in ordered(run.analysis)] == [NOT_MET, OPEN, MET]


@pytest.mark.parametrize(
    ("expressions", "allow", "expected"),
    [
        ((), False, ""),
        ((MET,), False, "Of 1 budgeted cell: 1 met."),
        ((MET, NOT_MET), True, "Of 2 budgeted cells: 1 not met and 1 met."),
        (
            (MET, OPEN),
            False,
            f"Of 2 budgeted cells: 1 not decided and 1 met. {NOT_ALLOWED}",
        ),
        (
            (OPEN,),
            True,
            f"Of 1 budgeted cell: 1 not decided. {ALLOWED}",
        ),
    ],
)
def test_what_became_of_all(expressions: tuple[str, ...], *, allow: bool, expected: str) -> None:
    run = budgeted(*expressions, allow=allow)

    assert budgets_told(run.info, run.analysis) == expected


def test_the_terminal_ends_with_a_line_for_each() -> None:
    run = budgeted(MET, OPEN, NOT_MET)
    lines = printed(run).splitlines()
    lines = lines[next(n for n, line in enumerate(lines) if line.startswith("Of 3")) :]

    assert lines[0].startswith("Of 3 budgeted cells: 1 not met, 1 not decided and 1 met.")
    assert [line.split(": ")[0] for line in lines[1:4]] == ["✗ not met", "? not decided", "✓ met"]
    assert f"{NOT_MET} in tcp-rr on one core, east-west (difference from host 3." in lines[1]
    assert "; 8 blocks)" in lines[1]
    assert "the interval holds the bound" in lines[2]
    assert f"{MET} in tcp-rr on one core, east-west (ratio to host 1.2" in lines[3]


def test_without_budgets_no_report_speaks_of_any() -> None:
    run = budgeted()

    assert "udget" not in printed(run)
    assert "udget" not in markdown(run.info, run.analysis, run.digest)
    assert 'id="budgets"' not in html(run.info, run.analysis, run.digest)


def test_markdown_and_page_have_a_row_for_each_near_their_top() -> None:
    run = budgeted(MET, NOT_MET)
    text = markdown(run.info, run.analysis, run.digest).replace("\\", "")
    page = unescape(html(run.info, run.analysis, run.digest))

    for told in (text, page):
        assert (
            told.index(NOT_MET)
            < told.index(MET)
            < told.index('class="answers"' if told is page else "| Container to container |")
        )
        for word in ("at most 1.500", "at most 1.00 µs", "✗ not met", "✓ met"):
            assert word in told


def test_the_document_has_one_for_each_cell() -> None:
    both = "bridge.rtt_p50 <= 1.5 host"
    run = budgeted(both, NOT_MET)
    found = json_document(run.info, run.analysis, run.digest, "folder", 1)["budgets"]
    text = json.loads(json.dumps(found, allow_nan=False))

    assert [(row["expression"], row["cell"]["placement"], row["status"]) for row in text] == [
        (both, "same", "met"),
        (both, "cross", "met"),
        (NOT_MET, "same", "not met"),
    ]
    for row, result in zip(text, run.analysis.budgets, strict=True):
        assert row["interval"] == [result.low, result.high]
        assert row["measured"] == result.measured
        assert set(row["cell"]) == {"driver", "path", "probe", "placement"}
    assert (text[0]["unit"], text[0]["bound"]) == ("ratio", 1.5)
    assert (text[2]["unit"], text[2]["bound"], text[2]["metric"]) == ("s", 1e-6, "rtt_p50")


def test_what_has_no_interval_has_none_in_the_document() -> None:
    run = reported(drivers=("host", "bridge"), blocks=3)
    budgets = read_budgets([MET], scope_of(run.info.plan), [])
    info = replace(run.info, plan=replace(run.info.plan, require=budgets))
    (row,) = json_document(info, analyse(info, run.records), run.digest, "", 1)["budgets"]

    assert row["interval"] is None
    assert row["status"] == Standing.UNDECIDED
    assert row["reason"].startswith("3 usable blocks, at least 6 needed")
