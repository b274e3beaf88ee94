"""The sample runs of the repository, judged anew; all of one, or some of its drivers."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from support.synthetic import Reported

from netbench.analysis import Verdict, analyse
from netbench.report import digest
from netbench.store import load

SAMPLES: Final = Path(__file__).parents[2] / "reports" / "sample"


@cache
def sample(name: str = ".", drivers: tuple[str, ...] = ()) -> Reported:
    """Return a sample run by its folder, of these drivers alone if any are named."""
    run = load(SAMPLES / name)
    kept = drivers or run.info.plan.drivers
    cells = tuple(cell for cell in run.info.plan.cells if cell.driver in kept)
    info = replace(run.info, plan=replace(run.info.plan, drivers=kept, cells=cells))
    records = tuple(record for record in run.records() if record.cell.driver in kept)
    analysis = analyse(info, records)
    return Reported(info, records, analysis, digest(analysis, records))


def differing(run: Reported, metric: str, probe: str) -> Reported:
    """Return a run in which drivers certainly differ from the baseline by this metric: by 30 %."""
    contrasts = tuple(
        replace(one, verdict=Verdict.SLOWER, ratio=0.7, low=0.6, high=0.8)
        if (one.metric, one.probe) == (metric, probe)
        else one
        for one in run.analysis.contrasts
    )
    return replace(run, analysis=replace(run.analysis, contrasts=contrasts))
