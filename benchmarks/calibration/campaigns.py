"""Run small campaigns whose truth is known, one netbench run each, on the netns engine.

Each goes the way of `netbench run`: plan, engine, runner, run folder, analysis. The folder is
removed; one line of JSON is appended to results/campaigns.jsonl for each campaign that ended, and
a later call goes on from there. Kinds take turns, so that any number of campaigns is balanced.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final, cast

import numpy as np
from injected import Limited, Limiter, Neighbour

from netbench import load as load_run
from netbench.analysis.stats import spread
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.errors import NetbenchError
from netbench.plan import Options
from netbench.workflow.options import RunOptions
from netbench.workflow.run import measure

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "campaigns.jsonl"
USUAL: Final = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
BRIDGES: Final = "bridge:user", "bridge:user@mtu=1500"
"""The same network under another name: 1500 is what the kernel gives a bridge anyway."""
PAIRS: Final = {
    "stream-cross": ("host", f"host@cc={USUAL}"),
    "stream-same": ("host", f"host@cc={USUAL}"),
}
"""Baseline and driver by suite, where they are not bridges: the same congestion control, asked for
by name. Nothing has to be made for them, and iperf3 does not pause, so that blocks are short."""
MESSAGE: Final = 80
"""Bytes on the link of a round trip's request: 14, and TCP with time stamps, IPv4, Ethernet."""
SUITES: Final = ("stream-cross", "stream-same", "cross", "stream-cross", "stream-same", "same")
"""Of the campaigns with identical drivers, in turn. Round trips cost two seconds more a block than
a stream alone, so that their campaigns have fewer blocks, and a stream beside them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of campaign."""

    name: str
    title: str
    wanted: int
    """Campaigns."""
    suites: tuple[str, ...] = SUITES
    neighbour: bool = False
    limiter: Limiter | None = None
    truth: float = 1.0
    """The ratio that a run should find."""


def _limited(title: str, name: str, suite: str, limiter: Limiter, truth: float) -> Kind:
    return Kind(name, title, 15, (suite,), limiter=limiter, truth=truth)


KINDS: Final = (
    Kind("quiet", "identical drivers, machine left alone", 100),
    Kind("neighbour", "identical drivers, beside a busy neighbour", 100, neighbour=True),
    _limited("rate of 90 %", "rate-0.90", "limited", Limiter(500e6, 0.9), 0.9),
    _limited("rate of 97 %", "rate-0.97", "limited", Limiter(500e6, 0.97), 0.97),
    _limited(
        "round trips of 100 and 111 us",
        "delay-1.11",
        "delayed",
        Limiter(MESSAGE * 8 / 100e-6, 0.9, burst=1600),
        1 / 0.9,
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a campaign said of one cell's leading metric."""

    probe: str
    placement: str
    metric: str
    verdict: str
    reason: str
    by_sign: bool
    blocks: int
    ratio: float | None
    low: float | None
    high: float | None
    deviation: float | None
    """Of the blocks' log ratios; None below two."""
    null_ratio: float | None
    """Of the baseline's second arm over its first."""
    null_low: float | None
    null_high: float | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign that came to its end."""

    kind: str
    number: int
    suite: str
    seconds: float
    """Wall time."""
    failures: int
    """Sessions without a value."""
    found: tuple[Found, ...]
    """Of the primary contrasts."""


def load(path: Path = RESULTS) -> list[Campaign]:
    """Return the campaigns of a file, none where there is no file."""
    if not path.exists():
        return []
    read = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        Campaign(**{**one, "found": tuple(Found(**each) for each in one["found"])}) for one in read
    ]


def append(ended: Campaign, path: Path = RESULTS) -> None:
    """Keep a campaign."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(ended)) + "\n")


def campaign(kind: Kind, number: int) -> Campaign:
    """Run one campaign; its number seeds its orders, its neighbour and its rates.

    Raises:
        NetbenchError: it did not come to its end, or a driver has no value at all.
    """
    seed = f"{kind.name}:{number}"
    suite = kind.suites[number % len(kind.suites)]
    baseline, driver = PAIRS.get(suite, BRIDGES)

    def opener(name: str, run: str, wishes: EngineOptions) -> Engine:
        engine = open_engine(name, run, wishes)
        if kind.limiter is None:
            return engine
        random = Random(seed)  # noqa: S311 -- noise, not a secret
        return cast("Engine", Limited(engine, kind.limiter, random))

    options = Options(
        drivers=f"{baseline},{driver}",
        baseline=baseline,
        engine="netns",
        suite=str(HERE / f"{suite}.toml"),
        seed=str(number),
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="netbench-calibration-") as place:
        wishes = RunOptions(
            output=Path(place),
        )
        with Neighbour(seed) if kind.neighbour else nullcontext():
            path, status = measure(options, wishes, opener=opener)
        if status != "complete":
            raise NetbenchError(f"{seed}: {status}")
        found, failures = told(path)
        if any(one.ratio is None for one in found):
            reasons = {reason for cell in load_run(path).analysis.cells for reason in cell.reasons}
            raise NetbenchError(f"{seed}: a driver has no value: {'; '.join(sorted(reasons))}")
    return Campaign(kind.name, number, suite, time.monotonic() - began, failures, found)


def told(path: Path) -> tuple[tuple[Found, ...], int]:
    """Return what a run says of its primary contrasts, and its sessions without a value."""
    analysis = load_run(path).analysis
    nulls = {(n.probe, n.placement, n.metric): n for n in analysis.nulls}
    found = []
    for one in analysis.contrasts:
        null = nulls.get((one.probe, one.placement, one.metric))
        if not one.primary:
            continue
        found.append(
            Found(
                probe=one.probe,
                placement=str(one.placement),
                metric=one.metric,
                verdict=str(one.verdict),
                reason=one.reason,
                by_sign=one.by_sign,
                blocks=one.blocks,
                ratio=one.ratio,
                low=one.low,
                high=one.high,
                deviation=spread(np.array([delta.log_ratio for delta in one.deltas])),
                null_ratio=null.ratio if null else None,
                null_low=null.low if null else None,
                null_high=null.high if null else None,
            )
        )
    return tuple(found), analysis.tally.failures


def run(kinds: list[Kind], seconds: float, results: Path) -> None:
    """Run campaigns until all are done or the time is up, the kind furthest behind first."""
    began = time.monotonic()
    done = Counter(one.kind for one in load(results))
    while time.monotonic() - began < seconds:
        kind = min(kinds, key=lambda kind: done[kind.name] / kind.wanted)
        if done[kind.name] >= kind.wanted:
            return
        ended = campaign(kind, done[kind.name] + 1)
        done[kind.name] += 1
        append(ended, results)
        verdicts = ", ".join(one.verdict for one in ended.found)
        name = f"{kind.name} {ended.number}/{kind.wanted}"
        print(f"{name}: {ended.seconds:.0f} s, {verdicts}", flush=True)


def main() -> None:
    """Run."""
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=names, default=names)
    parser.add_argument("--seconds", type=float, default=1e9, help="start none after so long")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to go on from")
    given = parser.parse_args()
    try:
        run([kind for kind in KINDS if kind.name in given.kinds], given.seconds, given.results)
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
