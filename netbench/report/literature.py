"""What others published, beside what this run measured: one line for each comparison."""

from dataclasses import dataclass

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS, plain
from netbench.analysis.literature import Agreement, Beside, beside, tally
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.labels import capital, interval, joined, metric_title
from netbench.spec import Placement


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """One published comparison as it is shown."""

    source: str
    url: str
    what: str
    """`bridge against host: Round-trip time, median`."""
    where: str
    """Its cell in this run; empty where it has none."""
    published: str
    measured: str
    """Ratio with its interval; empty where there is none."""
    agreement: str
    reason: str
    conditions: str

    @property
    def text(self) -> str:
        """The line for Markdown and terminals."""
        place = f" ({self.where})" if self.where else ""
        here = f", here {self.measured}" if self.measured else ""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"{self.source}: {self.what}{place}: {self.published}{here}: {self.agreement}{why}. "
            f"There: {self.conditions}"
        )


def lines(info: RunInfo, analysis: Analysis) -> tuple[PublishedLine, ...]:
    """Return a line for each comparison of the run's suite, in its order."""
    return tuple(_line(one) for one in beside(info.plan, analysis))


def in_short(info: RunInfo, analysis: Analysis) -> str:
    """Return how the published directions fare, in one line; empty where there are none."""
    found = beside(info.plan, analysis)
    if not found:
        return ""
    counts = [f"{number} {kind}" for kind, number in tally(found)]
    return f"Published directions: {joined(counts)}; other machines, so no verdict on their figures"


def _line(one: Beside) -> PublishedLine:
    told, contrast = one.published, one.contrast
    ratio = f"{units.ratio(contrast.ratio)} {_interval(one)}" if contrast else ""
    return PublishedLine(
        source=plain(told.source),
        url=plain(told.url),
        what=plain(f"{told.driver} against {told.baseline}: {metric_title(told.metric)}"),
        where=plain(_where(one)),
        published=_published(one),
        measured=ratio,
        agreement=one.agreement.value,
        reason=plain(one.reason),
        conditions=plain(capital(told.conditions)),
    )


def _where(one: Beside) -> str:
    told = one.published
    if one.agreement is Agreement.INCOMPARABLE:
        return ""
    return f"{told.probe} {PLACEMENTS[Placement(told.placement)]}, {told.path}"


def _published(one: Beside) -> str:
    told = one.published
    return f"{told.direction}, {units.ratio(told.ratio)}" if told.ratio else told.direction


def _interval(one: Beside) -> str:
    return interval(one.contrast.low, one.contrast.high) if one.contrast else ""
