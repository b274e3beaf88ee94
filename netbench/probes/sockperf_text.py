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
from netbench.record import Completed

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
