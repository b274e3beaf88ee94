import io
from dataclasses import replace

import pytest
from rich.console import Console
from support.synthetic import Reported, contrast_of, reported

from netbench.analysis import Contrast, Stopped, Verdict
from netbench.record import RunInfo
from netbench.report import html, json_document, markdown, stopping, terminal


def adaptive(status: str = "complete", **changes: object) -> RunInfo:
    info = reported().info
    plan = replace(info.plan, adaptive=True, blocks=12, max_time=170.0)
    return replace(info, status=status, plan=replace(plan, **changes), wall=160.0)


def ending(info: RunInfo, *contrasts: Contrast) -> str:
    return stopping.ending(info, replace(reported().analysis, contrasts=contrasts))


TIMED = "The time limit of 2 min 50 s was reached"
DECIDED = contrast_of(stopped=Stopped.DECIDED, stopped_after=8)
LEFT = contrast_of(
    driver="container",
    verdict=Verdict.UNDECIDED,
    stopped=Stopped.OUT_OF_TIME,
    forecast=24,
)


def test_one_line_says_why_a_run_ended_what_is_settled_and_what_the_rest_would_take() -> None:
    text = ending(adaptive("out-of-time"), DECIDED, LEFT)

    assert text == (
        "The time limit of 2 min 50 s was reached after 8 blocks; decided: bridge in throughput "
        "on two cores; not settled: container in throughput on two cores "
        "(about 24 blocks needed for ±3 %)."
    )


@pytest.mark.parametrize(
    ("info", "contrasts", "words"),
    [
        (adaptive(), (DECIDED,), "Nothing was left to settle after 8 blocks; decided: bridge in"),
        (
            adaptive(),
            (replace(LEFT, stopped=Stopped.OUT_OF_BLOCKS, forecast=4000),),
            "The block limit was reached after 8 blocks; not settled: container in throughput",
        ),
        (
            adaptive("out-of-time"),
            (replace(LEFT, forecast=4000),),
            f"{TIMED} after 8 blocks; not settled: container in throughput",
        ),
        (
            replace(adaptive("out-of-time", unhurried=8), wall=250.0),
            (replace(LEFT, forecast=4000),),
            (
                f"{TIMED} after 8 blocks, the least that a verdict needs, "
                "which took 4 min 10 s; not settled: container in throughput"
            ),
        ),
        (
            replace(adaptive("out-of-time", unhurried=8), wall=171.0),
            (replace(LEFT, forecast=4000),),
            f"{TIMED} after 8 blocks; not settled: container in throughput",
        ),
        (
            adaptive("interrupted"),
            (replace(LEFT, stopped=Stopped.INTERRUPTED, forecast=None),),
            "The run was interrupted after 8 blocks; not settled: container in throughput",
        ),
        (adaptive(), (), "Nothing was left to settle after 8 blocks."),
        (
            adaptive(),
            (replace(LEFT, stopped=Stopped.FOR_BUDGET, forecast=None),),
            "The block limit was reached after 8 blocks; settled, kept for a budget: container",
        ),
        (
            adaptive("out-of-time"),
            (replace(LEFT, stopped=Stopped.FOR_BUDGET, forecast=None),),
            f"{TIMED} after 8 blocks; settled, kept for a budget: container",
        ),
        (reported().info, (DECIDED,), "Fixed plan: 8 blocks as was asked, every cell in each."),
    ],
)
def test_every_ending_has_its_words(
    info: RunInfo, contrasts: tuple[Contrast, ...], words: str
) -> None:
    assert ending(info, *contrasts).startswith(words)


def test_a_forecast_beyond_any_run_names_no_number() -> None:
    far = ending(adaptive("out-of-time"), replace(LEFT, forecast=4000))

    assert far.endswith("(more than 1000 blocks needed for ±3 %).")


@pytest.mark.parametrize("stopped", Stopped)
def test_every_stop_has_a_word(stopped: Stopped) -> None:
    contrast = contrast_of(stopped=stopped, stopped_after=8)

    assert stopping.stop_words(contrast).endswith(" after block 8")


def told() -> Reported:
    run = reported()
    return replace(
        run,
        info=adaptive("out-of-time"),
        analysis=replace(run.analysis, contrasts=(DECIDED, LEFT)),
    )


def test_every_form_of_the_report_tells_it() -> None:
    run = told()
    page = html(run.info, run.analysis, run.digest)
    document = json_document(run.info, run.analysis, run.digest, "x", 0)

    assert "The time limit of 2 min 50 s was reached after 8 blocks" in page
    assert "decided after block 8" in page
    assert "out of time, about 24 blocks needed" in page
    assert "the run is not complete" not in page
    text = markdown(run.info, run.analysis, run.digest)
    assert "The time limit of 2 min 50 s was reached after 8 blocks." in text
    contrasts = document["contrasts"]
    assert isinstance(contrasts, list)
    keys = ("stopped", "stopped_after", "forecast")
    assert [[c[key] for key in keys] for c in contrasts if isinstance(c, dict)] == [
        ["decided", 8, None],
        ["out-of-time", None, 24],
    ]


def test_a_run_cut_short_by_its_own_time_is_complete_and_one_by_a_user_is_not() -> None:
    run = told()

    assert "the run is not complete" in html(
        replace(run.info, status="interrupted"), run.analysis, run.digest
    )


@pytest.mark.parametrize(
    ("forecasts", "words"),
    [
        ((24, 11, 90, None, 30), "not settled: 5 of 5 contrasts, 11 to 90 blocks needed for ±3 %"),
        ((24, 11, 4000, 9, 30), "9 to more than 1000 blocks needed for ±3 %"),
        ((4000, 5000, 4000, 4000, None), "more than 1000 blocks needed for ±3 % each"),
        ((None, None, None, None, None), "not settled: 5 of 5 contrasts."),
    ],
)
def test_many_contrasts_are_counted_and_not_named(
    forecasts: tuple[int | None, ...], words: str
) -> None:
    left = [replace(LEFT, driver=f"d{n}", forecast=one) for n, one in enumerate(forecasts)]

    assert words in ending(adaptive("out-of-time"), *left)


def extension(info: RunInfo, *contrasts: Contrast) -> str:
    analysis = replace(reported().analysis, contrasts=contrasts)
    found = stopping.extension(info, analysis, "reports/a run")
    return f"{found.why}: {found.command}" if found else ""


RESUME = "netbench run --resume 'reports/a run'"


@pytest.mark.parametrize(
    ("info", "forecasts", "expected"),
    [
        (
            adaptive("out-of-time", blocks=40),
            (None, 24),
            (
                "1 of 2 comparisons undecided; about 16 more blocks needed (5 min 20 s): "
                f"{RESUME} --max-time +320"
            ),
        ),
        (
            adaptive("out-of-time"),
            (None, 24),
            (
                "1 of 2 comparisons undecided; about 16 more blocks needed (5 min 20 s): "
                f"{RESUME} --max-time +320"
            ),
        ),
        (
            adaptive(blocks=8, max_time=None),
            (9, 12),
            (
                "2 of 2 comparisons undecided; about 4 more blocks needed (1 min 20 s): "
                f"{RESUME} --blocks +4"
            ),
        ),
        (
            adaptive(blocks=8, max_time=200.0),
            (9, 12),
            (
                "2 of 2 comparisons undecided; about 4 more blocks needed (1 min 20 s): "
                f"{RESUME} --blocks +4"
            ),
        ),
        (
            reported().info,
            (None, 9),
            (
                "1 of 2 comparisons undecided; about 1 more block needed (20 s): "
                f"{RESUME} --blocks +1"
            ),
        ),
        (adaptive("interrupted"), (None, 9), f"(20 s): {RESUME}"),
        (adaptive("interrupted", max_time=None), (None, 9), f"(20 s): {RESUME}"),
        (adaptive("out-of-time"), (None, 4000), ""),
        (adaptive("out-of-time"), (None, None), ""),
    ],
)
def test_an_undecided_run_ends_with_the_command_that_would_decide_it(
    info: RunInfo, forecasts: tuple[int | None, ...], expected: str
) -> None:
    contrasts = [
        contrast_of(driver=f"d{n}", verdict=Verdict.UNDECIDED, forecast_verdict=blocks)
        if blocks or n
        else contrast_of()
        for n, blocks in enumerate(forecasts)
    ]

    told = extension(replace(info, wall=160.0), *contrasts)

    assert told.endswith(expected) if expected else told == ""


def test_a_decided_run_has_no_such_command() -> None:
    assert extension(adaptive("out-of-time"), contrast_of()) == ""


def test_the_command_is_the_last_line_of_the_terminal_and_stands_in_the_summary() -> None:
    run = told()
    stream = io.StringIO()
    Console(file=stream, width=200, color_system=None).print(
        terminal(run.info, run.analysis, run.digest, "reports/x")
    )

    assert (
        stream.getvalue()
        .rstrip()
        .splitlines()[-1]
        .rstrip()
        .endswith("netbench run --resume reports/x --max-time +320")
    )
    text = markdown(run.info, run.analysis, run.digest, "x")
    assert "`netbench run --resume x --max-time +320`" in text
