from dataclasses import replace

from support.synthetic import reported

from netbench.record import ProbeSummary
from netbench.report import html
from netbench.report.matrix import measures, others, shown

RUN = reported()


def test_what_is_judged_stands_in_the_first_table_only() -> None:
    judged = {(c.probe, c.placement) for c in RUN.analysis.contrasts if c.metric == "rtt_p50"}
    rows = measures(RUN.info, RUN.analysis)

    assert {(row.key.probe, row.key.placement) for row in rows} == judged
    assert {row.title for row in rows} == {"Round-trip time, 99th percentile"}


def test_a_leading_metric_that_no_verdict_rests_on_has_a_row() -> None:
    probe = ProbeSummary("tcp-rr", "tcp-rr", ("transactions", "rtt_p50"), ())
    info = replace(RUN.info, plan=replace(RUN.info.plan, probes=(probe,)))

    assert "Transactions per second" in {row.title for row in measures(info, RUN.analysis)}


def test_an_entry_carries_its_median_and_the_contrasts_word() -> None:
    row = measures(RUN.info, RUN.analysis)[0]
    drivers = others(RUN.info, RUN.analysis)
    entry = dict(zip(drivers, row.entries, strict=True))["bridge"]
    (contrast,) = (
        c
        for c in RUN.analysis.contrasts
        if c.driver == "bridge" and c.metric == "rtt_p99"
        if (c.probe, c.placement, c.path) == (row.key.probe, row.key.placement, row.key.path)
    )

    assert RUN.analysis.baseline not in drivers
    assert entry is not None
    assert entry.contrast == contrast
    page = html(RUN.info, RUN.analysis, RUN.digest)
    assert f'{entry.value}<small class="{contrast.verdict}">{contrast.ratio:.3f} [' in page


def test_shares_are_percentages_and_ratios_that_are_compared_are_not() -> None:
    assert shown("loss", 0.0012, "ratio") == "0.12 %"
    assert shown("loss", 0.0, "ratio") == "0 %"
    assert shown("rtt_p99", 2e-5, "s") == "20.0 µs"
