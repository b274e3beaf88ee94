"""Is an upgrade that costs something caught, and one that costs nothing not?

Real runs on the netns engine, each with a rate limiter on every client's link. Before an upgrade
the driver has the baseline's rate, after it 85 % of it; an upgrade that costs nothing is the same
configuration again. On another day the driver's rate is another by 1 %, as runs of a real machine
lie apart by more than their blocks show. `netbench compare` then holds the run after the upgrade
against one before it, with the history of runs before it and without.

One line of JSON is appended to results/upgrades.jsonl for each upgrade, and a later call goes on
from there. The run folders are kept in --folders until every upgrade is done.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Final, cast

from campaigns import BRIDGES
from injected import Limited, Limiter

from netbench.analysis.compare.model import Basis, RunContrast
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import NetbenchError
from netbench.plan import Options
from netbench.store import RUN
from netbench.workflow.compare import compare_folders
from netbench.workflow.options import SILENT, RunOptions
from netbench.workflow.run import measure

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results" / "upgrades.jsonl"
FOLDERS: Final = Path(tempfile.gettempdir()) / "netbench-upgrades"
LIMITER: Final = Limiter(500e6, 1.0, noise=0.02)
DAY: Final = 0.01
"""Standard deviation between runs of the logarithm of the driver's rate."""
COSTS: Final = {"upgrade": 0.85, "no-op": 1.0}
"""The driver's rate after an upgrade over that before it, by kind."""
MOVED: Final = "the machine differs"
"""How the reason begins where the sentinel read something else in one of the runs."""
WANTED: Final = 20
"""Upgrades of each kind."""
HISTORY: Final = 12
"""Runs before any upgrade; each is in turn what a later run is held against."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What `compare` says of the driver's ratio to the baseline."""

    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    runs: int
    """Of the history that the interval holds the scatter of; 0 for none."""
    freedom: int
    reason: str
    """Why it is undecided."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One upgrade."""

    kind: str
    number: int
    seconds: float
    """Wall time of the run after it."""
    with_history: Judged
    alone: Judged
    again: bool = False
    """Whether it was measured again, as `compare` advises where the machine differs between the
    two runs."""


def load(path: Path = RESULTS) -> list[Upgrade]:
    """Return the upgrades of a file, none where there is no file."""
    read = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    parts = ("with_history", "alone")
    return [Upgrade(**{**one, **{part: Judged(**one[part]) for part in parts}}) for one in read]


def run(parent: Path, seed: str, cost: float) -> Path:
    """Measure one run and return its folder.

    Raises:
        NetbenchError: it did not come to its end.
    """
    random = Random(seed)  # noqa: S311 -- noise, not a secret
    limiter = replace(LIMITER, ratio=cost * random.lognormvariate(0, DAY))

    def opener(name: str, own: str, wishes: EngineOptions) -> Engine:
        return cast("Engine", Limited(open_engine(name, own, wishes), limiter, random))

    options = Options(
        drivers=",".join(BRIDGES),
        baseline=BRIDGES[0],
        engine="netns",
        suite=str(HERE / "upgrade.toml"),
        seed=str(random.randrange(1 << 31)),
    )
    path, status = measure(options, RunOptions(output=parent), opener=opener)
    if status != "complete":
        shutil.rmtree(path)
        raise NetbenchError(f"{seed}: {status}")
    return path


def judge(before: Path, after: Path, history: tuple[Path, ...]) -> Judged:
    """Return what `netbench compare before after --history DIR` says.

    Raises:
        NetbenchError: it says nothing of the driver.
    """
    with tempfile.TemporaryDirectory(prefix="netbench-calibration-") as place:
        result, _, _ = compare_folders(
            [f"before={before}", f"after={after}"],
            accept=("netbench.version",),  # a later call may go on after a commit
            require=(),
            allow_undecided=False,
            output=Path(place) / "compare.html",
            observer=SILENT,
            history=history,
        )
    (pairing,) = result.pairings
    found = [one for one in pairing.contrasts if one.primary and one.basis is Basis.RELATIVE]
    if len(found) != 1 or found[0].withheld:
        facts = ", ".join(fact for one in found for fact in one.withheld)
        raise NetbenchError(f"{after}: compare says nothing of the driver; it differs in {facts}")
    return _judged(found[0])


def _judged(one: RunContrast) -> Judged:
    runs, freedom = (one.history.runs, one.history.freedom) if one.history else (0, 0)
    return Judged(str(one.verdict), one.ratio, one.low, one.high, runs, freedom, one.reason)


def past(folders: Path) -> list[Path]:
    """Return the runs before any upgrade, measuring those that are not there yet."""
    parent = folders / "history"
    parent.mkdir(parents=True, exist_ok=True)
    while len(there := sorted(path.parent for path in parent.glob(f"*/*/{RUN}"))) < HISTORY:
        number = len(there) + 1
        print(f"history {number}/{HISTORY}", flush=True)
        # One folder each, so that what an interrupted run left is found and taken away.
        own = parent / f"{number:02d}"
        shutil.rmtree(own, ignore_errors=True)
        partial = parent.parent / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        run(partial, f"history:{number}", 1.0)
        partial.rename(own)
    return there


def upgrade(kind: str, number: int, before: list[Path], folders: Path) -> Upgrade:
    """Measure after an upgrade, and hold it against a run before it; its run is not kept."""
    began = time.monotonic()
    partial = folders / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    first, after = before[number % len(before)], run(partial, f"{kind}:{number}", COSTS[kind])
    seconds = time.monotonic() - began
    held = judge(first, after, (folders / "history",))
    again = held.reason.startswith(MOVED)
    if again:
        first = run(partial, f"{kind}:{number}:before", 1.0)
        after = run(partial, f"{kind}:{number}:after", COSTS[kind])
        held = judge(first, after, (folders / "history",))
    found = Upgrade(
        kind=kind,
        number=number,
        seconds=seconds,
        with_history=held,
        alone=judge(first, after, ()),
        again=again,
    )
    shutil.rmtree(partial)
    return found


def every(wanted: int, results: Path, folders: Path) -> None:
    """Do what is left to do, both kinds in turn, and remove the folders at the end."""
    done = Counter(one.kind for one in load(results))
    if min(done[kind] for kind in COSTS) >= wanted:
        print("nothing is left to do")
        return
    before = past(folders)
    while any(done[kind] < wanted for kind in COSTS):
        kind = min(COSTS, key=lambda one: done[one])
        found = upgrade(kind, done[kind] + 1, before, folders)
        done[kind] += 1
        results.parent.mkdir(exist_ok=True)
        with results.open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")
        said = f"{found.with_history.verdict}, without a history {found.alone.verdict}"
        print(f"{kind} {found.number}/{wanted}: {found.seconds:.0f} s, {said}", flush=True)
    shutil.rmtree(folders)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wanted", type=int, default=WANTED, help="upgrades of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to go on from")
    parser.add_argument("--folders", type=Path, default=FOLDERS, help="where run folders are kept")
    given = parser.parse_args()
    try:
        every(given.wanted, given.results, given.folders)
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
