"""OpenMetrics text of a run, for a textfile collector or a push gateway.

Gauges in base units, without timestamps. What was not measured, and an end of an interval that is
unbounded, has no sample.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import (
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from netbench import units
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, CellSummary, Contrast, Standing, Verdict
from netbench.record import METRICS, RunInfo
from netbench.report.sentences import fact

UNITS: Final = {
    units.BITS_PER_SECOND: "bits_per_second",
    units.SECONDS: "seconds",
    units.PER_SECOND: "per_second",
    units.RATIO: "ratio",
    units.COUNT: "",
}
"""What a unit is called at the end of a name."""
CELL: Final = ("driver", "path", "probe", "placement")
CONTRAST: Final = (*CELL, "baseline", "metric")


def openmetrics(info: RunInfo, analysis: Analysis) -> str:
    """Return the exposition, `# EOF` at its end."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(info, analysis))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call] # it has no types
    return text.decode()


class _Collected(Collector):
    """What the registry asks for its families."""

    def __init__(self, info: RunInfo, analysis: Analysis) -> None:
        self._info, self._analysis = info, analysis

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has a sample."""
        families = (
            _run(self._info),
            *_cells(self._analysis),
            *_contrasts(self._analysis),
            _budgets(self._analysis),
        )
        return (family for family in families if family.samples)


def _run(info: RunInfo) -> Metric:
    kernel = fact(info, "kernel.release")
    told = {
        "run": info.id,
        "created": info.created,
        "version": info.version,
        "engine": info.engine,
        "kernel": kernel if isinstance(kernel, str) else "",
        "suite": info.plan.suite,
        "baseline": info.plan.baseline,
        "seed": str(info.plan.seed),
        "status": info.status,
    }
    family = InfoMetricFamily("netbench_run", "The run that these figures are of.")
    family.add_metric([], {name: plain(value) for name, value in told.items()})
    return family


def _cells(analysis: Analysis) -> Iterator[Metric]:
    """Yield a family for each metric, quartiles by the label `statistic`, then how trials ended."""
    cells = [cell for cell in analysis.cells if not cell.replica]
    for metric in dict.fromkeys(cell.metric for cell in cells):
        here = [cell for cell in cells if cell.metric == metric]
        title = METRICS[metric].title if metric in METRICS else plain(metric)
        family = GaugeMetricFamily(
            f"netbench_{metric}",
            f"{title}: quartiles over the sessions or trials of the run.",
            labels=(*CELL, "statistic"),
            unit=UNITS.get(here[0].unit, ""),
        )
        for cell in here:
            for name, value in (("p25", cell.p25), ("median", cell.median), ("p75", cell.p75)):
                if value is not None:
                    family.add_metric([*_place(cell), name], value)
        yield family
    ended = GaugeMetricFamily(
        "netbench_trials",
        "Sessions or trials of a cell by how they ended.",
        labels=(*CELL, "outcome"),
    )
    samples: dict[tuple[str, ...], int] = {}
    for cell in cells:
        samples[_place(cell)] = max(cell.trials, samples.get(_place(cell), 0))
    for place, cell in {_place(cell): cell for cell in cells}.items():
        counts = {"sample": samples[place], "failure": cell.failures, "skip": cell.skips}
        for outcome, count in counts.items():
            ended.add_metric([*place, outcome], count)
    yield ended


def _contrasts(analysis: Analysis) -> Iterator[Metric]:
    ratio = GaugeMetricFamily(
        "netbench_contrast",
        "Driver over baseline of the raw metric, with the ends of its interval.",
        labels=(*CONTRAST, "statistic"),
        unit="ratio",
    )
    floor = GaugeMetricFamily(
        "netbench_noise_floor",
        "Half-width of the interval of the baseline's second arm over its first (A/A).",
        labels=CONTRAST,
        unit="ratio",
    )
    blocks = GaugeMetricFamily(
        "netbench_contrast_blocks", "Blocks that a contrast is made of.", labels=CONTRAST
    )
    verdict = StateSetMetricFamily(
        "netbench_contrast_verdict", "The verdict on a contrast.", labels=CONTRAST
    )
    for contrast in analysis.contrasts:
        labels = _named(contrast)
        ends = {"estimate": contrast.ratio, "low": contrast.low, "high": contrast.high}
        for name, value in ends.items():
            if value is not None:
                ratio.add_metric([*labels, name], value)
        if contrast.noise_floor is not None:
            floor.add_metric(labels, contrast.noise_floor)
        blocks.add_metric(labels, contrast.blocks)
        verdict.add_metric(labels, _states(Verdict, contrast.verdict))
    yield from (ratio, floor, blocks, verdict)


def _budgets(analysis: Analysis) -> Metric:
    family = StateSetMetricFamily(
        "netbench_budget", "How a budget stands in a cell.", labels=("budget", *CELL)
    )
    for result in analysis.budgets:
        place = (result.budget.driver, result.path, result.probe, result.placement.value)
        labels = [plain(str(result.budget)), *map(plain, place)]
        family.add_metric(labels, _states(Standing, result.standing))
    return family


def _states(kind: type[Verdict] | type[Standing], found: Verdict | Standing) -> dict[str, bool]:
    return {state.value: state is found for state in kind}


def _place(cell: CellSummary) -> tuple[str, ...]:
    return tuple(map(plain, (cell.driver, cell.path, cell.probe, cell.placement.value)))


def _named(contrast: Contrast) -> list[str]:
    named = (contrast.driver, contrast.path, contrast.probe, contrast.placement.value)
    more = (contrast.baseline, contrast.metric)
    return [plain(text) for text in (*named, *more)]
