"""Did the tools saturate, and not the driver? For every throughput (METHOD §3)."""

from typing import Final, cast

import numpy as np

from netbench.analysis.columns import Floats, groups
from netbench.analysis.frame import Frames
from netbench.analysis.model import QualityWarning
from netbench.record import PlanSummary

METRIC: Final = "throughput"
FULL: Final = 0.98
"""Share of a CPU's time, or of the rate asked for, from which it counts as used up."""
WORDS: Final = {
    "client": "the client's CPU",
    "server": "the server's CPU",
    "both": "the CPUs of client and server",
    "rate": "the rate that the probe asks for",
}
CPUS: Final = {"client", "server", "both"}
Name = tuple[str, int, str, str, str]
"""Driver, replica, path, probe, placement."""


def saturations(frames: Frames, plan: PlanSummary) -> dict[Name, str]:
    """Return what was used up in each arm's median trial of each cell with a throughput.

    `rate` where the median rate is at least 98 % of what the probe asks for, else whose CPU was
    busy for at least 98 % of the time while the load was steady; `both` on one shared CPU too.
    `nothing` where CPUs were read and neither was, `unknown` where one was not read.
    """
    rates = {probe.name: dict(probe.parameters).get("rate") for probe in plan.probes}
    numbers = frames.numbers.at(frames.numbers.metric.equal(METRIC))
    trials = frames.trials
    return {
        cast("Name", name): _used_up(
            numbers.value[rows],
            trials.client_busy[numbers.row[rows]],
            trials.server_busy[numbers.row[rows]],
            rates.get(str(name[3])),
        )
        for name, rows in groups(*frames.arms(numbers), *frames.cells(numbers))
    }


def _used_up(values: Floats, client: Floats, server: Floats, rate: object) -> str:
    if isinstance(rate, int | float) and rate > 0 and np.median(values) >= FULL * rate:
        return "rate"
    busy = {"client": _median(client), "server": _median(server)}
    full = [end for end, share in busy.items() if share is not None and share >= FULL]
    if full:
        return full[0] if len(full) == 1 else "both"
    return "unknown" if None in busy.values() else "nothing"


def _median(values: Floats) -> float | None:
    """Return the median of those that were read, None where none was."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def saturated(driver: str, baseline: str) -> tuple[QualityWarning, ...]:
    """Return the doubt about a contrast in which both arms used something up."""
    if driver == baseline == "rate":
        return (
            QualityWarning(
                "saturated",
                f"both arms reach {WORDS['rate']}: more is not asked for",
                "judge by the cost per byte",
            ),
        )
    if not {driver, baseline} <= CPUS:
        return ()
    who = (
        f"both arms use up {WORDS[driver]}"
        if driver == baseline
        else f"it uses up {WORDS[driver]}, the baseline {WORDS[baseline]}"
    )
    return (
        QualityWarning(
            "saturated",
            f"{who}: the tools saturate, not the driver",
            "judge by the cost per byte and the round trips, or by throughput at a fixed rate",
        ),
    )
