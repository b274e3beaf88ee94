"""OpenMetrics text of a run: gauges in base units; what was not measured has no sample."""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Final

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import plain
from netbench.analysis.model import Analysis, CellSummary, Contrast, Standing, Verdict
from netbench.record import RunInfo
from netbench.report.labels import metric_title
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
    made = (_lacking, _cells, _contrasts, _budgets)
    families = [_run(info), *(family for of in made for family in of(analysis))]
    shown = SimpleNamespace(collect=lambda: [family for family in families if family.samples])
    text: bytes = generate_latest(shown)  # type: ignore[no-untyped-call] # it has no types
    return text.decode()


def _run(info: RunInfo) -> Metric:
    kernel = fact(info, "kernel.release")
    values = {
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
    family.add_metric([], {name: plain(value) for name, value in values.items()})
    return family


def _lacking(analysis: Analysis) -> Iterator[Metric]:
    """Yield how many records are missing, and the kinds of warnings about the run as a whole."""
    text = "Records that the run's plan and status call for, and lacks."
    yield GaugeMetricFamily("netbench_missing_records", text, value=analysis.missing.absent)
    text = "Warnings about the run as a whole."
    warnings = GaugeMetricFamily("netbench_warnings", text, labels=("kind",))
    for kind, count in Counter(warning.kind for warning in analysis.warnings).items():
        warnings.add_metric([plain(kind)], count)
    yield warnings


def _cells(analysis: Analysis) -> Iterator[Metric]:
    """Yield a family for each metric, quartiles by the label `statistic`, then how trials ended."""
    cells = [cell for cell in analysis.cells if not cell.replica]
    for metric, here in grouped((cell.metric, cell) for cell in cells).items():
        family = GaugeMetricFamily(
            f"netbench_{metric}",
            f"{plain(metric_title(metric))}: quartiles over the sessions or trials of the run.",
            labels=(*CELL, "statistic"),
            unit=UNITS.get(here[0].unit, ""),
        )
        for cell in here:
            _add(family, _of(cell), {"p25": cell.p25, "median": cell.median, "p75": cell.p75})
        yield family
    text = "Sessions or trials of a cell by how they ended."
    ended = GaugeMetricFamily("netbench_trials", text, labels=(*CELL, "outcome"))
    for place, own in grouped((tuple(_of(cell)), cell) for cell in cells).items():
        samples = max(cell.trials for cell in own)
        counts = {"sample": samples, "failure": own[-1].failures, "skip": own[-1].skips}
        _add(ended, list(place), counts)
    yield ended


def _contrasts(analysis: Analysis) -> Iterator[Metric]:
    ratio = GaugeMetricFamily(
        "netbench_contrast",
        "Driver over baseline of the raw metric, with the ends of its interval.",
        labels=(*CONTRAST, "statistic"),
        unit="ratio",
    )
    text = "Half-width of the interval of the baseline's second arm over its first (A/A)."
    floor = GaugeMetricFamily("netbench_noise_floor", text, labels=CONTRAST, unit="ratio")
    text = "Blocks that a contrast is made of."
    blocks = GaugeMetricFamily("netbench_contrast_blocks", text, labels=CONTRAST)
    text = "The verdict on a contrast."
    verdict = StateSetMetricFamily("netbench_contrast_verdict", text, labels=CONTRAST)
    for contrast in analysis.contrasts:
        labels = [*_of(contrast), plain(contrast.baseline), plain(contrast.metric)]
        ends = {"estimate": contrast.ratio, "low": contrast.low, "high": contrast.high}
        _add(ratio, labels, ends)
        if contrast.noise_floor is not None:
            floor.add_metric(labels, contrast.noise_floor)
        blocks.add_metric(labels, contrast.blocks)
        verdict.add_metric(labels, {state.value: state is contrast.verdict for state in Verdict})
    yield from (ratio, floor, blocks, verdict)


def _budgets(analysis: Analysis) -> Iterator[Metric]:
    text = "How a budget stands in a cell, after its confirmation if there was one."
    family = StateSetMetricFamily("netbench_budget", text, labels=("budget", *CELL))
    for result in analysis.budgets:
        place = (result.budget.driver, result.path, result.probe, result.placement.value)
        labels = [plain(str(result.budget)), *map(plain, place)]
        family.add_metric(labels, {state.value: state is result.final for state in Standing})
    yield family


def _add(family: GaugeMetricFamily, labels: list[str], values: Mapping[str, float | None]) -> None:
    """Add a sample of each value that is there, its name as the last label."""
    for name, value in values.items():
        if value is not None:
            family.add_metric([*labels, name], value)


def _of(thing: CellSummary | Contrast) -> list[str]:
    return [plain(x) for x in (thing.driver, thing.path, thing.probe, thing.placement.value)]
