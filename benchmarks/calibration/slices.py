"""Which rounds and slice lengths narrow an interval most for the time that they take?

A fixed number of blocks of `host,bridge` for each choice, by netbench itself; the choices take
turns, a few blocks each, so that the machine's course touches all alike. What each part gave is
appended to results/slices.jsonl; `tables.py` puts the parts of a choice together.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from netbench import load as load_run
from netbench.errors import NetbenchError
from netbench.plan import Options
from netbench.workflow.options import RunOptions
from netbench.workflow.run import measure

RESULTS = Path(__file__).parent / "results" / "slices.jsonl"
PART: Final = 6
"""Blocks of one part."""
CHOICES: Final = (
    ("tcp-throughput", "cross", 5, 0.16),
    ("tcp-throughput", "cross", 8, 0.1),
    ("tcp-throughput", "cross", 12, 0.07),
    ("tcp-rr", "same", 8, 0.1),
    ("tcp-rr", "same", 16, 0.05),
    ("tcp-rr", "same", 20, 0.04),
    ("tcp-rr", "cross", 8, 0.1),
    ("tcp-rr", "cross", 16, 0.05),
)
"""Probe, placement, rounds and seconds of a slice; those of a cell take about the same time."""


@dataclass(frozen=True, slots=True)
class Part:
    """A few blocks of one choice."""

    engine: str
    probe: str
    placement: str
    rounds: int
    slice: float
    """Seconds."""
    seconds: float
    """Wall time of a block."""
    deltas: tuple[float, ...]
    """Log ratio of bridge over both arms of host, by block."""
    nulls: tuple[float, ...]
    """Of host's second arm over its first."""

    @property
    def choice(self) -> tuple[str, str, int, float]:
        """What was chosen."""
        return self.probe, self.placement, self.rounds, self.slice


def suite(probe: str, placement: str, rounds: int, length: float) -> str:
    """Return the text of the suite of one choice."""
    return (
        f"[probes.{probe}]\nrounds = {rounds}\nslice = {length}\n"
        f'[[cell]]\nprobe = "{probe}"\nplacement = "{placement}"\n'
    )


def part(engine: str, probe: str, placement: str, rounds: int, length: float) -> Part:
    """Measure a part.

    Raises:
        NetbenchError: it could not be measured.
    """
    with tempfile.TemporaryDirectory(prefix="netbench-slices-") as place:
        file = Path(place, "slices.toml")
        file.write_text(suite(probe, placement, rounds, length))
        options = Options(drivers="host,bridge", engine=engine, suite=str(file), blocks=str(PART))
        wishes = RunOptions(
            output=Path(place),
        )
        path, _ = measure(options, wishes)
        run = load_run(path)
        metric = run.info.plan.probes[0].metrics[0]
        (contrast,) = (c for c in run.analysis.contrasts if c.metric == metric)
        (null,) = (n for n in run.analysis.nulls if n.metric == metric)
        clocks = [record.clock for record in run.records()]
        began = min(clock.started_monotonic for clock in clocks)
        ended = max(clock.started_monotonic + clock.seconds for clock in clocks)
        return Part(
            engine=run.info.engine,
            probe=probe,
            placement=placement,
            rounds=rounds,
            slice=length,
            seconds=(ended - began) / PART,
            deltas=tuple(delta.log_ratio for delta in contrast.deltas),
            nulls=tuple(delta.log_ratio for delta in null.deltas),
        )


def load(path: Path = RESULTS) -> list[Part]:
    """Return the parts that a file keeps."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [
        Part(**{**one, "deltas": tuple(one["deltas"]), "nulls": tuple(one["nulls"])})
        for one in found
    ]


def turns(times: int) -> Iterator[tuple[str, str, int, float]]:
    """Yield every choice in turn, so many times."""
    for _ in range(times):
        yield from CHOICES


def main() -> None:
    """Measure every choice in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("netns", "docker"), default="docker")
    parser.add_argument("--times", type=int, default=3, help=f"parts of {PART} blocks a choice")
    parser.add_argument("--seconds", type=float, default=math.inf, help="start none after so long")
    given = parser.parse_args()
    began = time.monotonic()
    try:
        for choice in turns(given.times):
            if time.monotonic() - began > given.seconds:
                return
            found = part(given.engine, *choice)
            RESULTS.parent.mkdir(exist_ok=True)
            with RESULTS.open("a") as file:
                file.write(json.dumps(asdict(found)) + "\n")
            print(
                f"{choice}: {found.seconds:.1f} s a block, {len(found.deltas)} blocks", flush=True
            )
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
