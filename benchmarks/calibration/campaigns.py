"""Run calibration campaigns, one netbench run each, and keep every one that comes to its end.

A campaign goes the way of `netbench run`: plan, engine, runner, run folder. What is done to it
(`injected.py`) it does not know. Interrupted campaigns are run anew; those that ended are kept,
whatever they say. `run` goes on from those in the archives; `pack` puts the folders, without the
tools' raw output, back into the archives that the tables are built from.
"""

import argparse
import json
import shutil
import sys
import tarfile
from pathlib import Path
from random import Random
from typing import cast

from injected import Disturbed
from kinds import BASELINE, DRIVER, KINDS, Kind
from short import ShortRoundTrips, ShortStream

from netbench.cli.ground import RunOptions
from netbench.cli.run import measure
from netbench.engines.base import Engine, Wishes
from netbench.engines.choose import open_engine
from netbench.errors import NetbenchError
from netbench.plan import Options
from netbench.probes import PROBES
from netbench.store import RECORDS, RUN, list_runs

HERE = Path(__file__).parent
RESULTS = HERE / "results"
FOLDERS = HERE.parent.parent / "reports" / "calibration"
INJECTED = "injected.json"
SUFFIX = ".tar.xz"


def ended(kind: Kind, parent: Path) -> list[Path]:
    """Return the folders of campaigns that came to their end, the oldest first."""
    runs = list_runs(parent / kind.name)
    return sorted(run.path for run in runs if run.info and run.info.status == "complete")


def campaign(kind: Kind, number: int, cpu: int, parent: Path) -> Path:
    """Run one campaign; its number and its CPU are the seed of its order, and of its noise.

    Raises:
        NetbenchError: it did not come to its end.
    """
    made: list[Disturbed] = []

    def opener(name: str, run: str, wishes: Wishes) -> Engine:
        engine = open_engine(name, run, wishes)
        random = Random(f"{kind.name}:{number}:{cpu}")  # noqa: S311 -- noise, not a secret
        hog = cpu if kind.neighbour else None
        blocks = int(kind.blocks or 8)
        made.append(Disturbed(engine, kind.seconds, blocks, kind.limiter, hog, random))
        return cast("Engine", made[-1])

    options = Options(
        drivers=f"{BASELINE},{DRIVER}",
        baseline=BASELINE,
        engine="netns",
        suite=str(HERE / f"{kind.suite}.toml"),
        blocks=kind.blocks,
        seed=f"{number}{cpu}",
        pin=str(cpu),
    )
    wishes = RunOptions(
        output=parent / kind.name,
        engine=Wishes(),
        parent_in_use=False,
        as_json=False,
        quiet=True,
        keep=False,
        identify=False,
    )
    path, status = measure(options, wishes, opener)
    shutil.rmtree(path / "raw")
    if status != "complete":
        raise NetbenchError(f"{path.name}: {status}")
    (path / INJECTED).write_text(json.dumps(made[0].told()) + "\n")
    return path


def run(wanted: list[Kind], cpu: int, most: int, parent: Path) -> None:
    """Run campaigns until all are done or so many were run, the kind furthest behind first."""
    PROBES.update({probe.name: probe for probe in (ShortStream, ShortRoundTrips)})
    done = {kind.name: len(ended(kind, parent)) for kind in wanted}
    for _ in range(most):
        kind = min(wanted, key=lambda kind: done[kind.name] / kind.campaigns)
        if done[kind.name] >= kind.campaigns:
            return
        done[kind.name] += 1
        number = done[kind.name]
        # What is like it on netbench's own command line: run.json keeps it.
        like = ("--engine", "netns", "--suite", f"{kind.suite}.toml", "--pin", str(cpu))
        drivers = ("--drivers", f"{BASELINE},{DRIVER}", "--seed", f"{number}{cpu}")
        sys.argv = ["netbench", "run", *like, *drivers]
        path = campaign(kind, number, cpu, parent)
        print(f"{kind.name} {number}/{kind.campaigns}: {path.name}", flush=True)


def unpack(wanted: list[Kind], parent: Path) -> None:
    """Put the campaigns of the archives beside those that were run here."""
    parent.mkdir(parents=True, exist_ok=True)
    for kind in wanted:
        archive = RESULTS / f"{kind.name}{SUFFIX}"
        if archive.exists():
            with tarfile.open(archive) as packed:
                packed.extractall(parent, filter="data")


def pack(wanted: list[Kind], parent: Path) -> None:
    """Write one archive a kind."""
    RESULTS.mkdir(exist_ok=True)
    for kind in wanted:
        folders = ended(kind, parent)
        if not folders:
            continue
        target = RESULTS / f"{kind.name}{SUFFIX}"
        with tarfile.open(target, "w:xz", preset=6) as archive:
            for folder in folders:
                for name in (RUN, RECORDS, INJECTED):
                    archive.add(folder / name, f"{kind.name}/{folder.name}/{name}", filter=plain)
        print(f"{target.name}: {len(folders)} campaigns, {target.stat().st_size / 1e6:.2f} MB")


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without whose and when it was."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


def main() -> None:
    """Run or pack."""
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "pack"))
    parser.add_argument("--kinds", nargs="+", choices=names, default=names)
    parser.add_argument("--cpu", type=int, default=1, help="that every tool is pinned to")
    parser.add_argument("--most", type=int, default=10_000, help="campaigns to run now")
    parser.add_argument("--folders", type=Path, default=FOLDERS, help="where the run folders are")
    given = parser.parse_args()
    wanted = [kind for kind in KINDS if kind.name in given.kinds]
    unpack(wanted, given.folders)
    if given.what == "pack":
        pack(wanted, given.folders)
        return
    try:
        run(wanted, given.cpu, given.most, given.folders)
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
