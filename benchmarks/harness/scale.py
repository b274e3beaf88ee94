"""How planning, loading, analysis and report grow with blocks, and with drivers and variants.

Runs are made from a seed; every size is measured stage by stage in a process of its own.
"""

import argparse
import itertools
import json
import math
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Size:
    """One run."""

    drivers: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one size took."""

    records: int
    folder: int
    """Bytes of `records.jsonl`."""
    seconds: dict[str, float]
    """CPU time of each stage."""
    memory: dict[str, int]
    """Largest resident set by the end of each stage, bytes."""
    page: int
    """Bytes of the page."""


def variants(count: int) -> tuple[str, ...]:
    """Return so many drivers and variants, as users name them."""
    return ("host", "bridge", *(f"bridge:user@mtu={1280 + n}" for n in range(count - 2)))


def write_run(parent: Path, size: Size) -> None:
    """Write one run folder; called in a process of its own, so that the measuring one is small."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from support import several, synthetic  # noqa: PLC0415 -- keeps the measuring process small

    info = synthetic.info_of(
        1, size.blocks, variants(size.drivers), "host", cells=synthetic.MANY_CELLS
    )
    several.written(info, synthetic.records_of(info, seed=1), parent)


@contextmanager
def timed(stage: str, cost: Cost) -> Iterator[None]:
    """Note what a stage takes: CPU time, which neighbours on the machine disturb least."""
    began = time.process_time()
    yield
    cost.seconds[stage] = time.process_time() - began
    cost.memory[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def stages(folder: Path, drivers: int) -> Cost:
    """Go through every stage once, as `netbench run` and `netbench report` do."""
    from netbench import report  # noqa: PLC0415 -- measured in a process of its own
    from netbench.analysis.stopping import RunningJudge  # noqa: PLC0415 -- same
    from netbench.plan import Options, build, parse  # noqa: PLC0415 -- same
    from netbench.spec import CpuTopology  # noqa: PLC0415 -- same
    from netbench.store import RECORDS, json_text, load  # noqa: PLC0415 -- same
    from netbench.workflow.reporting import judge_run  # noqa: PLC0415 -- same

    cost = Cost(0, (folder / RECORDS).stat().st_size, {}, {}, 0)
    with timed("plan", cost):
        options = Options(drivers=",".join(variants(drivers)), suite="full", seed="1")
        plan = build(parse(options), CpuTopology((0, 1), ((0,), (1,))))
        for number in range(1, plan.blocks + 1):
            plan.block(number)
        plan.summary()
    with timed("load", cost):
        run = load(folder)
        records = sum(1 for _ in run.records())
    with timed("judge and digest", cost):
        judged, digest = judge_run(run, run.info)
    with timed("html", cost):
        page = report.html(run.info, judged, digest)
    (folder / "report.html").write_text(page, encoding="utf-8")
    with timed("markdown", cost):
        report.markdown(run.info, judged, digest)
    with timed("csv", cost):
        report.csv(judged)
    with timed("terminal", cost):
        _shown(report.terminal(run.info, judged, digest))
    with timed("json", cost):
        json_text(report.json_document(run.info, judged, ".", 0))
    with timed("judge", cost):
        judge = RunningJudge(run.info.plan)
        for block, records_of_it in itertools.groupby(run.records(), lambda record: record.block):
            for record in records_of_it:
                judge.take(record)
            judge.rule(block)
    return Cost(records, cost.folder, cost.seconds, cost.memory, len(page.encode()))


def _shown(renderable: object) -> None:
    from rich.console import Console  # noqa: PLC0415 -- measured in a process of its own

    with Path("/dev/null").open("w", encoding="utf-8") as sink:
        Console(file=sink, width=160).print(renderable)


def measure(size: Size, *, browser: bool) -> tuple[Cost, str]:
    """Make a run folder, go through the stages in a new process, remove it.

    Returns:
        what it took, and how soon a browser shows the page, where one is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="netbench-bench-") as parent:
        writer = multiprocessing.get_context("spawn").Process(
            target=write_run, args=(Path(parent), size)
        )
        writer.start()
        writer.join()
        if writer.exitcode:
            raise SystemExit(f"the run folder could not be made: exit code {writer.exitcode}")
        (folder,) = Path(parent).iterdir()
        done = subprocess.run(
            (sys.executable, __file__, "--stages", str(folder), str(size.drivers)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        opened = painted(folder / "report.html") if browser else ""
        return Cost(**json.loads(done.stdout)), opened


def painted(page: Path) -> str:
    """Return in words how soon headless Chromium shows a page, median and worst of five."""
    from page import look, told  # noqa: PLC0415 -- selenium is a dependency of tests alone
    from support.browsing import chromium  # noqa: PLC0415 -- same

    with chromium() as live:
        first, whole = zip(*(look(live, page.as_uri()) for _ in range(5)), strict=True)
    return f"first paint {told(first)}; page read {told(whole)} (median, worst)"


def compare(title: str, small: Cost, large: Cost, times: float) -> None:
    """Print how each stage grew for ten times as much."""

    def slope(before: float, after: float) -> float:
        return float((after / before) ** (1 / math.log10(times)))

    print(f"\n{title}: {small.records:,} to {large.records:,} records, per tenfold")
    for stage in small.seconds:
        print(f"{stage:>10}  time x {slope(small.seconds[stage], large.seconds[stage]):5.2f}")
    peak = slope(max(small.memory.values()), max(large.memory.values()))
    print(f"{'all':>10}  peak memory x {peak:.2f}, page x {slope(small.page, large.page):.2f}")


def main() -> None:
    """Measure each size and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--stages", nargs=2, metavar=("FOLDER", "DRIVERS"), help=argparse.SUPPRESS)
    parser.add_argument("--browser", action="store_true", help="open the pages in Chromium too")
    given = parser.parse_args()
    if given.stages:
        cost = stages(Path(given.stages[0]), int(given.stages[1]))
        print(json.dumps({name: getattr(cost, name) for name in Cost.__slots__}))
        return

    tenth = max(2, given.blocks // 10), max(4, given.drivers // 10)
    sizes = (
        Size(given.drivers, tenth[0]),
        Size(tenth[1], given.blocks),
        Size(given.drivers, given.blocks),
    )
    costs = []
    for size in sizes:
        cost, opened = measure(size, browser=given.browser)
        costs.append(cost)
        print(
            f"\n{size.drivers} drivers, {size.blocks} blocks: {cost.records:,} records, "
            f"{cost.folder / 1e6:.0f} MB, page {cost.page / 1e6:.2f} MB",
            flush=True,
        )
        for stage, seconds in cost.seconds.items():
            print(f"{stage:>10} {seconds:8.2f} s  peak {cost.memory[stage] / 1e6:6.0f} MB")
        print(opened, end="\n" if opened else "")
    few_blocks, few_drivers, whole = costs
    compare("blocks", few_blocks, whole, given.blocks / tenth[0])
    compare("drivers", few_drivers, whole, given.drivers / tenth[1])


if __name__ == "__main__":
    main()
