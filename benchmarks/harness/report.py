"""How long `netbench report` takes, and how much memory, on run folders of many records.

The folders are made from a seed, read once by the command as a user would run it, and removed.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SECONDS_A_TRIAL = 2.7
"""Wall seconds that the made runs claim for each trial."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one report took."""

    records: int
    folder: int
    """Bytes of `records.jsonl`."""
    seconds: float
    """Wall time, which neighbours on the machine lengthen."""
    processor: float
    """CPU seconds of all its processes."""
    memory: int
    """Largest resident set of one of its processes, bytes."""
    page: int
    """Bytes of `report.html`."""


def write_run(parent: Path, wanted: int) -> None:
    """Write one run folder of at least `wanted` records; called in a process of its own.

    A child's `ru_maxrss` begins with the resident set of the process that started it, so that
    the one that measures must stay small: it never imports what is imported here.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from support import several, synthetic  # noqa: PLC0415 -- keeps the measuring process small

    a_block = len(synthetic.CELLS) * (len(synthetic.ALL) + 1)
    blocks = math.ceil(wanted / a_block)
    info = synthetic.info_of(1, blocks, synthetic.ALL, "host")
    info = replace(info, wall=SECONDS_A_TRIAL * blocks * a_block)
    several.written(info, synthetic.records_of(info, seed=1), parent)


def measure(wanted: int) -> Cost:
    """Make a run folder, report on it, remove it."""
    with tempfile.TemporaryDirectory(prefix="netbench-bench-") as parent:
        folder = written(Path(parent), wanted)
        with (folder / "records.jsonl").open("rb") as file:
            records = sum(1 for _ in file)
        seconds, processor, memory = report_on(folder)
        return Cost(
            records=records,
            folder=(folder / "records.jsonl").stat().st_size,
            seconds=seconds,
            processor=processor,
            memory=memory,
            page=(folder / "report.html").stat().st_size,
        )


def written(parent: Path, wanted: int) -> Path:
    """Return a new run folder of at least `wanted` records, made by another process."""
    writer = multiprocessing.get_context("spawn").Process(target=write_run, args=(parent, wanted))
    writer.start()
    writer.join()
    if writer.exitcode:
        raise SystemExit(f"the run folder could not be made: exit code {writer.exitcode}")
    (folder,) = parent.iterdir()
    return folder


def report_on(folder: Path) -> tuple[float, float, int]:
    """Run `netbench report` and return its wall seconds, CPU seconds and largest resident set."""
    argv = (sys.executable, "-m", "netbench", "report", str(folder))
    began = time.perf_counter()
    process = subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if not (folder / "report.html").exists():
        raise SystemExit(f"`{' '.join(argv)}` wrote no report: {said}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000])
    sizes = sorted(parser.parse_args().records)

    times = f"{'wall':>10}{'CPU':>10}"
    print(f"{'records':>9}{'records.jsonl':>15}{times}{'peak RSS':>12}{'report.html':>13}")
    costs = []
    for size in sizes:
        cost = measure(size)
        costs.append(cost)
        print(
            f"{cost.records:9,}{cost.folder / 1e6:12.1f} MB{cost.seconds:8.1f} s"
            f"{cost.processor:8.1f} s{cost.memory / 1e6:9.0f} MB{cost.page / 1e6:10.2f} MB",
            flush=True,
        )
    for small, large in itertools.pairwise(costs):
        tens = math.log10(large.records / small.records)
        slopes = " ".join(
            f"{name} x {(b / a) ** (1 / tens):.2f}"
            for name, a, b in (
                ("wall", small.seconds, large.seconds),
                ("CPU", small.processor, large.processor),
                ("RSS", small.memory, large.memory),
                ("HTML", small.page, large.page),
            )
        )
        print(f"\nten times the records, {small.records:,} to {large.records:,}: {slopes}")


if __name__ == "__main__":
    main()
