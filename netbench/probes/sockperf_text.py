"""What sockperf prints (versions 3.6 and 3.7), read strictly.

Exit code 0 proves nothing: sockperf ends so after a refused connection and after a wrong option
too. A trial counts only if the whole block of statistics is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netbench.errors import ProbeError
from netbench.probes.strerror import strerror_name
from netbench.record import Absent, Completed, FactValue, Histogram, Measurement
from netbench.record.histogram import histogram_of
from netbench.units import PER_SECOND, SECONDS

_CUT: Final = 0.45
"""Seconds of a run that do not count: 400 ms of warm-up and 50 ms at its end."""
_INVALID: Final = re.compile(r"Invalid address: (\S+)$", re.MULTILINE)
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_RUN = r"RunTime=(\d{1,9}\.\d{3}) sec;.* SentMessages=(\d{1,15}); ReceivedMessages=(\d{1,15})$"
_TOTAL: Final = re.compile(rf"\[Total Run\] {_RUN}", re.MULTILINE)
_VALID: Final = re.compile(rf"\[Valid Duration\] {_RUN}", re.MULTILINE)
_MEAN: Final = re.compile(
    r"====> avg-rtt=(\d{1,12}\.\d{3}) \(std-dev=(\d{1,12}\.\d{3})\)$", re.MULTILINE
)
_ANOMALIES: Final = re.compile(
    r"# dropped messages = (\d{1,15}); # duplicated messages = (\d{1,15}); "
    r"# out-of-order messages = (\d{1,15})$",
    re.MULTILINE,
)
_COUNT: Final = re.compile(r"Total (\d{1,15}) observations;", re.MULTILINE)
_EXTREME: Final = re.compile(r"---> <(MAX|MIN)> observation = +(\d{1,12}\.\d{3})$", re.MULTILINE)
_PERCENTILE: Final = re.compile(
    r"---> percentile (\d{2}\.\d{3}) = +(\d{1,12}\.\d{3})$", re.MULTILINE
)
_ROW: Final = re.compile(
    r"^\d{1,12}, \d{1,12}\.\d{9}, \d{1,12}\.\d{9}, (\d{1,12}\.\d{3})$", re.MULTILINE
)
"""A row of the full log: number, time of sending and of receiving in seconds, round trip in us."""
_WITHOUT: Final = (
    "No messages were received",
    "No valid observations found",
    "Test end before test start",
)
"""What it says where too few messages came back for statistics."""
WHOLE: Final = 100_000
"""sockperf prints percentiles in thousandths of a percent."""
PERCENTILES: Final = {"rtt_p50": 50_000, "rtt_p90": 90_000, "rtt_p99": 99_000, "rtt_p999": 99_900}
"""Metrics by the percentile they are, in those thousandths."""


@dataclass(frozen=True, slots=True)
class Report:
    """sockperf's statistics; times in seconds."""

    total_seconds: float
    replies: int
    """Messages that came back in the whole run, warm-up included."""
    seconds: float
    """Length of the window that counts."""
    observations: int
    mean: float
    deviation: float
    smallest: float
    largest: float
    percentiles: tuple[tuple[int, float], ...]
    """Thousandths of a percent and value, ascending; only those the observations support."""
    anomalies: tuple[int, int, int] | None
    """Dropped, duplicated and out-of-order messages."""

    @property
    def silent(self) -> float:
        """Seconds of the run in which no message was sent, warm-up and end that are cut aside."""
        return max(0.0, self.total_seconds - self.seconds - _CUT)


def refused_address(done: Completed) -> str | None:
    """Return the address that a sockperf which ended at once says it cannot take."""
    found = _INVALID.search(_ANSI.sub("", f"{done.stdout}\n{done.stderr}"))
    return found[1] if found else None


def read(client: Completed) -> Report:
    """Return the statistics of a run that went to its end.

    Raises:
        ProbeError: it did not, or its figures cannot all be true.
    """
    if client.timed_out:
        raise ProbeError(f"sockperf had not ended after {client.seconds:.1f} s and was killed")
    text = _ANSI.sub("", client.stdout)
    total, valid, mean = _TOTAL.search(text), _VALID.search(text), _MEAN.search(text)
    count = _COUNT.search(text)
    extremes = {name: _seconds(value) for name, value in _EXTREME.findall(text)}
    stopped = client.exit_code != 0 or "interrupted by user" in text or "ERROR" in text
    if stopped or not (total and valid and mean and count and {*extremes} == {"MIN", "MAX"}):
        raise ProbeError(_complaint(text, client))
    observations, seconds = int(count.group(1)), float(valid.group(1))
    percentiles = tuple(_percentiles(text, observations))
    anomalies = _ANOMALIES.search(text)
    report = Report(
        total_seconds=float(total.group(1)),
        replies=int(total.group(3)),
        seconds=seconds,
        observations=observations,
        mean=_seconds(mean.group(1)),
        deviation=_seconds(mean.group(2)),
        smallest=extremes["MIN"],
        largest=extremes["MAX"],
        percentiles=percentiles,
        anomalies=(int(anomalies[1]), int(anomalies[2]), int(anomalies[3])) if anomalies else None,
    )
    _hold_together(report)
    return report


def log(text: str, observations: int) -> Histogram | Absent:
    """Return the histogram of a full log: every round trip that the statistics are made of."""
    times = [float(f"{micro}e-6") for micro in _ROW.findall(text)]
    if not times:
        return Absent("sockperf told no single round trip")
    if len(times) != observations or not all(times):
        return Absent(f"sockperf's log tells {len(times)} of {observations} round trips")
    return histogram_of(times)


def _seconds(microseconds: str) -> float:
    return float(f"{microseconds}e-6")


def _percentiles(text: str, observations: int) -> Iterator[tuple[int, float]]:
    """Yield the percentiles that so many observations support, ascending."""
    printed = {int(name.replace(".", "")): value for name, value in _PERCENTILE.findall(text)}
    for milli in sorted(printed):
        if (WHOLE - milli) * observations >= WHOLE:
            yield milli, _seconds(printed[milli])


def _hold_together(report: Report) -> None:
    """Raise where the figures cannot all be true."""
    if not (report.seconds and report.observations and report.replies >= report.observations):
        raise ProbeError("sockperf observed no round trip in its valid duration")
    if PERCENTILES["rtt_p50"] not in dict(report.percentiles):
        raise ProbeError(f"sockperf: {report.observations} observations give no median")
    curve = [report.smallest, *(value for _, value in report.percentiles), report.largest]
    if not report.percentiles[0][1] or curve != sorted(curve):
        raise ProbeError("sockperf's percentiles are zero or do not ascend")


def _complaint(text: str, client: Completed) -> str:
    """Return why there are no statistics, in sockperf's own words where it has some."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = ("ERROR:", *_WITHOUT, "Invalid", "interrupted by user", "Latency is")
    said = next((line for line in lines if any(word in line for word in told)), "")
    said = said[said.find("ERROR:") :] if "ERROR:" in said else said.removeprefix("sockperf: ")
    code = "unseen" if client.exit_code is None else str(client.exit_code)
    name = strerror_name(said)
    because = said[:300] if said else "its statistics are missing or cut short"
    return f"sockperf (exit code {code}): {because}" + (f" [{name}]" if name else "")


def measurements(report: Report) -> Iterator[Measurement]:
    """Yield the metrics; a percentile is left out where no observation lies beyond it."""
    known = dict(report.percentiles)
    for metric, milli in PERCENTILES.items():
        if milli in known:
            yield Measurement(metric, known[milli], SECONDS)
    yield Measurement("rtt_max", report.largest, SECONDS)
    yield Measurement("transactions", report.observations / report.seconds, PER_SECOND)


def details(report: Report) -> Iterator[tuple[str, FactValue]]:
    """Yield what sockperf says beside its numbers."""
    yield "sockperf.observations", report.observations
    yield "sockperf.seconds", report.seconds
    yield "sockperf.silent", report.silent
    yield "sockperf.mean_rtt", report.mean
    yield "sockperf.rtt_deviation", report.deviation
    yield "sockperf.concurrency", report.observations / report.seconds * report.mean
    if report.anomalies is not None:
        names = ("dropped", "duplicated", "out_of_order")
        yield from zip((f"sockperf.{name}" for name in names), report.anomalies, strict=True)
