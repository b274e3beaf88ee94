from dataclasses import replace

import pytest
from support.synthetic import Reported, contrast_of, reported

from netbench.analysis import Contrast, Stopped, Verdict
from netbench.record import RunInfo
from netbench.report import html, json_document, markdown, stops


def adaptive(status: str = "complete", **changes: object) -> RunInfo:
    info = reported().info
    plan = replace(info.plan, adaptive=True, blocks=12, max_time=170.0)
    return replace(info, status=status, plan=replace(plan, **changes), wall=160.0)


def ending(info: RunInfo, *contrasts: Contrast) -> str:
    return stops.ending(info, replace(reported().analysis, contrasts=contrasts))


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
        "The time of 2 min 50 s was up after 8 blocks; decided: bridge in throughput on two "
        "cores; not settled: container in throughput on two cores (24 blocks would do at "
        "most). For all of them: --blocks 24, at most 8 min 00 s."
    )


@pytest.mark.parametrize(
    ("info", "contrasts", "words"),
    [
        (adaptive(), (DECIDED,), "Nothing was left to settle after 8 blocks; decided: bridge in"),
        (
            adaptive(),
            (replace(LEFT, stopped=Stopped.OUT_OF_BLOCKS, forecast=4000),),
            "The most blocks, 12, were done after 8 blocks; not settled: container in throughput",
        ),
        (
            adaptive("out-of-time"),
            (replace(LEFT, forecast=4000),),
            "The time of 2 min 50 s was up after 8 blocks; not settled: container in throughput",
        ),
        (
            replace(adaptive("out-of-time", unhurried=8), wall=250.0),
            (replace(LEFT, forecast=4000),),
            (
                "The time of 2 min 50 s was up after 8 blocks, the least that a verdict needs, "
                "which took 4 min 10 s; not settled: container in throughput"
            ),
        ),
        (
            replace(adaptive("out-of-time", unhurried=8), wall=171.0),
            (replace(LEFT, forecast=4000),),
            "The time of 2 min 50 s was up after 8 blocks; not settled: container in throughput",
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
            "The most blocks, 12, were done after 8 blocks; settled, kept for a budget: container",
        ),
        (
            adaptive("out-of-time"),
            (replace(LEFT, stopped=Stopped.FOR_BUDGET, forecast=None),),
            "The time of 2 min 50 s was up after 8 blocks; settled, kept for a budget: container",
        ),
        (reported().info, (DECIDED,), "Fixed plan: 8 blocks as was asked; no contrast leaves"),
    ],
)
def test_every_ending_has_its_words(
    info: RunInfo, contrasts: tuple[Contrast, ...], words: str
) -> None:
    assert ending(info, *contrasts).startswith(words)


def test_a_forecast_beyond_any_run_gives_no_advice() -> None:
    far = ending(adaptive("out-of-time"), replace(LEFT, forecast=4000))

    assert far.endswith("(more than 1000 blocks would be needed at this spread).")


@pytest.mark.parametrize("stopped", Stopped)
def test_every_stop_has_a_word(stopped: Stopped) -> None:
    contrast = contrast_of(stopped=stopped, stopped_after=8)

    assert stops.stop_words(contrast).endswith(" after block 8")


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
    document = json_document(run.info, run.analysis, "x", 0)

    assert "The time of 2 min 50 s was up after 8 blocks" in page
    assert "decided after block 8" in page
    assert "out of time, 24 blocks would do at most" in page
    assert "the run is not complete" not in page
    text = markdown(run.info, run.analysis, run.digest)
    assert "The time of 2 min 50 s was up after 8 blocks; decided: bridge in" in text
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
        ((24, 11, 90, None, 30), "not settled: 5 of 5 contrasts, which 11 to 90 blocks would"),
        ((24, 11, 4000, 9, 30), "which 9 to more than 1000 blocks would settle at most"),
        ((4000, 5000, 4000, 4000, None), "for each of which more than 1000 blocks would be needed"),
        ((None, None, None, None, None), "not settled: 5 of 5 contrasts."),
    ],
)
def test_many_contrasts_are_counted_and_not_named(
    forecasts: tuple[int | None, ...], words: str
) -> None:
    left = [replace(LEFT, driver=f"d{n}", forecast=one) for n, one in enumerate(forecasts)]

    assert words in ending(adaptive("out-of-time"), *left)
