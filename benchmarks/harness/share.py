"""Which share of a run was measuring, and where the rest went, as far as its records tell.

Goal: at least 0.70 with docker and 0.85 with netns in the quick suite, 0.85 and 0.95 in the
standard one, whose trials are longer.
"""

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from netbench.errors import RunFolderError
from netbench.record import Record, RunInfo, Sample
from netbench.sentinel import SECONDS as READING
from netbench.store import list_runs, load

ROOT = Path(__file__).parent.parent.parent
GOALS = {
    ("quick", "docker"): 0.70,
    ("quick", "netns"): 0.85,
    ("standard", "docker"): 0.85,
    ("standard", "netns"): 0.95,
}

MEASURING = "measuring: client released to client ended"
SENTINEL = "sentinel readings, two a trial"
BEFORE = "facts before the trial, first reading's start-up"
PAUSE = "clients' start and pauses, a load's lead, between legs"
AFTER = "facts after, server's end, proof of the path"
OTHER = "trials without two readings"
BETWEEN = "between trials: server up, record to disk"
BLOCKS = "between blocks: down, up, clients into their pause"
ENDS = "first block's way up, last block's way down"


def parts_of_trial(record: Record) -> dict[str, float]:
    """Return where the seconds of one trial went; they add up to its own wall time."""
    clock, window = record.clock, record.sentinel
    if window.before is None or window.after is None:
        return {MEASURING: clock.measuring, OTHER: clock.seconds - clock.measuring}
    first = window.before.at - READING / 2
    last = window.after.at + READING / 2
    return {
        MEASURING: clock.measuring,
        SENTINEL: 2 * READING,
        BEFORE: first - clock.started_monotonic,
        PAUSE: last - first - 2 * READING - clock.measuring,
        AFTER: clock.started_monotonic + clock.seconds - last,
    }


def parts_of_run(records: Iterable[Record], wall: float) -> dict[str, float]:
    """Return where the seconds of a run went; they add up to `wall`."""
    parts: dict[str, float] = defaultdict(float)
    ordered = sorted(records, key=lambda record: record.clock.started_monotonic)
    for record in ordered:
        for part, seconds in parts_of_trial(record).items():
            parts[part] += seconds
    for earlier, later in itertools.pairwise(ordered):
        ended = earlier.clock.started_monotonic + earlier.clock.seconds
        gap = BETWEEN if earlier.block == later.block else BLOCKS
        parts[gap] += later.clock.started_monotonic - ended
    parts[ENDS] = wall - sum(parts.values())
    return parts


def show(path: Path) -> None:
    """Print one run's table."""
    run = load(path)
    records = list(run.records())
    print(f"{path.name}: {run.info.engine}, {run.info.plan.suite}, {len(records)} trials")
    if run.info.wall is None or not records:
        print("  no share: the run has no end, or no trial\n")
        return
    parts = parts_of_run(records, run.info.wall)
    print(f"  {'part':52}{'seconds':>9}{'share':>8}{'a trial':>11}")
    for part, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        share, each = seconds / run.info.wall, seconds / len(records)
        print(f"  {part:52}{seconds:9.2f}{share:8.3f}{each * 1e3:8.0f} ms")
    print(f"  {'wall':52}{run.info.wall:9.2f}")
    print_rest(run.info, records, parts[MEASURING] / run.info.wall)


def print_rest(info: RunInfo, records: list[Record], share: float) -> None:
    """Print the share beside its goal, and what the trials that do not count cost."""
    again = [r.clock.measuring for r in records if r.attempt > 1]
    failed = [r.clock.measuring for r in records if not isinstance(r.outcome, Sample)]
    goal = GOALS.get((info.plan.suite, info.engine))
    asked = f"   (goal: {goal:.2f})" if goal else ""
    print(f"  measuring / wall: {share:.3f}{asked}")
    print(f"  of it run again for a mixed state: {sum(again):.2f} s in {len(again)} trials")
    print(f"  of it in trials that gave no number: {sum(failed):.2f} s in {len(failed)} trials\n")


def newest() -> list[Path]:
    """Return the newest run folder of `reports/`, as a list of one or none."""
    found = [(run.info.created, run.path) for run in list_runs(ROOT / "reports") if run.info]
    return [max(found)[1]] if found else []


def main() -> None:
    """Print a table for each run folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", type=Path, nargs="*", metavar="DIR", help="run folders; default: the newest"
    )
    folders = parser.parse_args().folders or newest()
    if not folders:
        print("reports/ holds no run folder; make one: netbench run", file=sys.stderr)
    for folder in folders:
        try:
            show(folder)
        except RunFolderError as error:
            print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)


if __name__ == "__main__":
    main()
