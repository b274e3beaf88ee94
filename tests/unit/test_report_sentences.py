from dataclasses import replace

from support.synthetic import contrast_of, reported

from netbench.analysis import Contrast, Verdict
from netbench.analysis.cell_key import plain
from netbench.report import headline, sentences
from netbench.report.labels import joined, judgement, key_of
from netbench.spec import Placement

RTT = {"metric": "rtt_p50", "unit": "s", "probe": "tcp-rr", "placement": Placement.SAME}


def test_a_contrast_in_words() -> None:
    slower = contrast_of(**RTT, ratio=1.239, low=1.234, high=1.244)

    assert judgement(contrast_of(), 0.05) == "19 to 25 % slower"
    assert judgement(slower, 0.05) == "23 to 24 % slower"
    assert sentences.measure(key_of(slower), slower.metric) == "median round trip on one core"


def test_a_baseline_that_differs_from_itself_is_told() -> None:
    analysis = reported().analysis
    nulls = tuple(replace(null, contains_one=False) for null in analysis.nulls)

    failed = sentences.baseline_check(replace(analysis, nulls=nulls))
    assert "failed: a difference in tcp-" in failed
    assert sentences.baseline_check(analysis) == "Host-vs-host check (A/A) passed in 3 measures"
    alone = sentences.baseline_check(replace(analysis, contrasts=()))
    assert alone == "Host-vs-host check (A/A) not made: nothing was compared"


def test_the_lead_never_says_no_difference() -> None:
    run = reported()
    undecided = contrast_of(verdict=Verdict.UNDECIDED, reason="interval 0.97 to 1.08 holds 1")

    text = headline(run.info, replace(run.analysis, contrasts=(undecided,)), run.digest)

    assert "throughput on two cores undecided (interval 0.97 to 1.08 holds 1" in text
    assert "difference" not in text


def test_a_figures_title_tells_every_verdict() -> None:
    analysis = reported().analysis
    contrasts = (
        contrast_of(),
        contrast_of(driver="container", verdict=Verdict.EQUIVALENT, ratio=1.0),
        contrast_of(driver="macvlan", verdict=Verdict.UNDECIDED, ratio=1.0),
    )
    key = key_of(contrasts[0])

    def title(*found: Contrast) -> str:
        return sentences.finding(replace(analysis, contrasts=found), key)

    name = "Throughput on two cores"
    assert title(*contrasts) == (
        f"{name}: bridge 19 to 25 % slower than host; container equivalent to host; "
        "macvlan undecided"
    )
    assert title(contrasts[2]) == f"{name}: macvlan undecided"
    assert title(replace(contrasts[2], low=None, high=None)) == f"{name}: no verdict yet"
    assert title() == "tcp-throughput on two cores, east-west: no verdict yet".capitalize()


def test_small_words() -> None:
    assert [joined(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert plain("a\nb\x1b[0m\u202ec ") == "a b [0m c"


def test_the_proof_of_isolation_tells_each_promise_once() -> None:
    view = reported().digest.view("none")
    assert view is not None

    text = sentences.isolation_sentence(view)

    assert text.count("the only interface is lo") == 1
    assert "by loopback): ECONNREFUSED; connect to 198.18.0.1 (any other address)" in text
