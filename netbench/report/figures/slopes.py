"""The table of how the control plane's times grow with ports and neighbours."""

from netbench import units
from netbench.analysis.slopes import FACTORS, LEAST, Slope, slopes
from netbench.report.figures import base
from netbench.report.figures.base import Figure, FigureData
from netbench.report.figures.loads import PHASES
from netbench.report.labels import capital


def growth(source: FigureData) -> tuple[Figure, ...]:
    """Return one table of the slopes of a run, or none."""
    found = slopes(source.plan, source.analysis.points)
    order = list(source.colours)
    found = tuple(sorted(found, key=lambda one: (one.factor, order.index(one.driver))))
    if not found:
        return ()
    return (
        base.figure(
            "lifecycle-slopes",
            ("driver", lambda one: one.driver),
            ("phase", lambda one: PHASES[one.metric].words),
            ("measured with", lambda one: f"{_listed(one)} {one.factor}"),
            ("seconds for one more", lambda one: _each(one.slope)),
            ("95 % interval", _interval),
            ("trials", lambda one: str(one.trials)),
            title=_title(found),
            caption="The slope of Theil and Sen over all trials of probes that differ in nothing "
            f"but that number; fewer than {LEAST} trials have no interval.",
            picture=None,
            things=found,
        ),
    )


def _listed(one: Slope) -> str:
    return ", ".join(map(str, one.numbers))


def _each(seconds: float) -> str:
    return units.quantity(seconds, units.SECONDS)


def _interval(one: Slope) -> str:
    if one.low is None or one.high is None:
        return f"{one.trials} trials are too few"
    return f"{_each(one.low)} to {_each(one.high)}"


def _title(found: tuple[Slope, ...]) -> str:
    starts = [one for one in found if one.metric == "start_time"]
    parts = []
    for factor, each in FACTORS.items():
        own = {one.driver: one.slope for one in starts if one.factor == factor}
        parts += [f"for each {each}: {base.spans(own, units.SECONDS)}"] if own else []
    return capital(f"the start takes longer {'; '.join(parts)}") if parts else "How times grow"
