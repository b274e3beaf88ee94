from dataclasses import replace

from support.synthetic import Reported, contrast_of, reported

from netbench.report.intervals import Chart, charts
from netbench.report.labels import contrast_id, slug


def of(run: Reported) -> tuple[Chart, ...]:
    return charts(run.info, run.analysis)


def test_every_primary_contrast_has_its_place() -> None:
    run = reported()
    (chart,) = of(run)

    drawn = [bar.contrast for column in chart.columns for bar in column.bars]

    assert sorted(map(id, drawn)) == sorted(id(c) for c in run.analysis.contrasts if c.primary)
    assert chart.drivers[0] == "host"
    assert "none" not in chart.drivers


def test_columns_of_one_metric_share_an_axis() -> None:
    (chart,) = of(reported())
    rtt = [column for column in chart.columns if column.metric == "rtt_p50"]

    assert len(rtt) == 2
    assert rtt[0].axis == rtt[1].axis
    assert rtt[0].axis.marks


def test_absolute_bars_lie_within_their_column() -> None:
    (chart,) = of(reported())
    lengths = [column.length(driver) for column in chart.columns for driver in chart.drivers]

    assert all(0 < length <= 100 for length in lengths)


def test_many_columns_become_a_chart_for_each_path() -> None:
    run = reported()
    outside = tuple(replace(c, path="north-south") for c in run.analysis.contrasts)
    analysis = replace(run.analysis, contrasts=(*run.analysis.contrasts, *outside))

    (one,) = charts(run.info, analysis)
    more = replace(analysis, contrasts=(*analysis.contrasts, *more_probes(analysis.contrasts)))

    assert [column.key.path for column in one.columns] == ["east-west"] * 3 + ["north-south"] * 3
    assert [chart.path for chart in charts(run.info, more)] == [
        "east-west",
        "north-south",
    ]


def more_probes(contrasts: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(replace(c, probe="udp-rr") for c in contrasts)  # type: ignore[type-var]


def test_a_run_without_contrasts_has_no_chart() -> None:
    assert of(reported(blocks=1, drivers=("none",), baseline="none")) == ()


def test_links_tell_names_apart_that_look_alike() -> None:
    names = ["bridge:user", "bridge-user", "bridge_user", "bridge@mtu=9000", "bridge@mtu-9000"]

    assert len({slug(name) for name in names}) == len(names)
    assert slug("bridge:user") == "bridge-user"
    assert contrast_id(contrast_of()) == (
        "contrast-bridge-east-west-tcp-throughput-cross-throughput"
    )
