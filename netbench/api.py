"""netbench from Python: measure, resume, and read a run folder as typed values and pandas frames.

import netbench

run = netbench.measure(drivers="host,bridge", blocks="12")
netbench.resume(run.path, blocks="+10")

run = netbench.load("reports/20260114T101500Z-host-bridge")
run.frame().groupby(["driver", "metric"])["value"].median()
run.contrasts().query("primary")
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netbench import store
from netbench.analysis import Analysis, analyse
from netbench.analysis.missing import MissingRecords, missing
from netbench.record import Record, RunInfo
from netbench.workflow.options import RunOptions

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)  # no slots: what was computed once is kept
class Run:
    """A run that was measured. Nothing of its folder is written."""

    path: Path
    info: RunInfo  # what was asked, where and with what: the content of `run.json`

    @property
    def drivers(self) -> tuple[str, ...]:
        """The drivers of the run, in the order of its plan."""
        return self.info.plan.drivers

    @property
    def baseline(self) -> str:
        """The driver that the others are compared with."""
        return self.info.plan.baseline

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read of the records; empty for a sound run."""
        return self._kept[0]

    @property
    def missing(self) -> MissingRecords:
        """The records that are absent although the run's plan and its status call for them."""
        return self._kept[1]

    @cached_property
    def _kept(self) -> tuple[tuple[str, ...], MissingRecords]:
        source = store.load(self.path)
        absent = missing(self.info, source.records())
        return tuple(source.notes), absent

    @cached_property
    def analysis(self) -> Analysis:
        """Everything that can be said of the run, as plain values."""
        from netbench.workflow.confirmation import with_confirmations  # noqa: PLC0415 - slow

        source = store.load(self.path)
        alone = analyse(self.info, source.records(), source.damage)
        return with_confirmations(source, self.info, alone)[0]

    def records(self) -> Iterator[Record]:
        """Yield every readable record, one at a time, in the order in which they were written."""
        return store.load(self.path).records()

    def frame(self) -> "pd.DataFrame":
        """Return one row for each session or trial and metric, in base units.

        Columns: run, record, block, position, attempt, started (UTC), driver, replica (1: the
        baseline's second arm), path, probe, placement, outcome (`sample`, `failure`, `skip`),
        reason, metric, unit, value, sentinel_before, sentinel_after, steal (share of CPU time). A
        record without a number has one row whose metric and value are missing.
        """
        from netbench.analysis.tables import trials  # noqa: PLC0415 - pandas is slow to import

        return trials(self.info, self.records())

    def contrasts(self) -> "pd.DataFrame":
        """Return one row for each contrast with the baseline: ratio, interval, verdict.

        Columns: run, driver, baseline, path, probe, placement, metric, unit, primary (the run is
        judged by it), blocks, ratio, low, high, difference, driver_median, baseline_median (in
        `unit`), verdict, reason (why it is undecided), by_sign, median_ratio, unshared_low,
        unshared_high (the 95 % interval of this contrast alone), noise_floor, saturated, stopped,
        warnings (kinds). An end of an interval that is unbounded is missing.
        """
        from netbench.analysis.tables import contrasts  # noqa: PLC0415 - pandas is slow to import

        return contrasts(self.info, self.analysis)

    def cells(self) -> "pd.DataFrame":
        """Return one row for each arm, cell and metric: median, quartiles, counts of outcomes.

        Columns: run, driver, replica, path, probe, placement, metric, unit, median, p25, p75,
        trials, failures, skips, reasons, saturated.
        """
        from netbench.analysis.tables import cells  # noqa: PLC0415 - pandas is slow to import

        return cells(self.info, self.analysis)


def load(path: str | PathLike[str]) -> Run:
    """Open a run folder; `run.json` is read now, the records when they are asked for.

    Raises:
        RunFolderError: missing, empty, not a run, damaged, or written by a newer schema.
    """
    folder = Path(path)
    return Run(folder, store.load(folder).shown)


def measure(options: RunOptions | None = None, **plan: Any) -> Run:
    """Measure as `netbench run` does, without a word, and return the run; no report is written.

    Args:
        options: how it is measured; default: into `reports/`.
        plan: what is measured, by the names of the options of `netbench run`, as texts:
            `drivers`, `suite`, `paths`, `blocks`, `max_time`, ...

    Raises:
        ConfigurationError: with every mistake.
        EngineUnavailable: nothing can be measured.
        RunFolderError: the run folder cannot be written.
    """
    from netbench.plan import Options  # noqa: PLC0415 - slow to import
    from netbench.workflow.run import measure as run_plan  # noqa: PLC0415 - slow to import

    path, _ = run_plan(Options(**plan), options or RunOptions())
    return load(path)


def resume(
    path: str | PathLike[str],
    options: RunOptions | None = None,
    *,
    blocks: str = "",
    max_time: str = "",
    force: bool = False,
) -> Run:
    """Go on with a run as `netbench run --resume` does; `blocks` of `+N` and the like extend it.

    Raises:
        ConfigurationError: with everything that is not as it was when the run began.
        EngineUnavailable: nothing can be measured.
        RunFolderError: the folder is no run, another netbench measures into it, or it is read-only.
    """
    from netbench.workflow.resume import resume as go_on  # noqa: PLC0415 - slow to import

    extension = {"blocks": blocks, "max-time": max_time}
    asked = tuple((name, value) for name, value in extension.items() if value)
    how = replace(options or RunOptions(), asked=asked)
    go_on(store.load(Path(path)), how, force=force)
    return load(path)
