"""Does netbench's own cell give what the same tool gives by hand? Ratio of both, interleaved.

In every pair of trials, in random order over one live pair: a trial by netbench's runner with all
that it does (held client, facts, proof of the path), and the same command lines on the same CPUs as
plain processes whose output is read for one number only. A sentinel reading stands before and
after each. Goal: a ratio of 0.95 to 1.05 over at least 10 pairs in one state.
"""

import argparse
import math
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File
from random import Random
from statistics import fmean, median, stdev
from tempfile import TemporaryDirectory

from by_hand import PARSE, NoNumber, start, wait_for_listener

from netbench.engines.base import Engine
from netbench.engines.choose import open_engine
from netbench.errors import ConfigurationError, NetbenchError
from netbench.plan import Options, Plan, Step, build, parse
from netbench.record import Absent, Sample, SentinelReading
from netbench.runner.prepared import Prepared
from netbench.runner.trial import TrialFailed, TrialRunner, Where
from netbench.sentinel.measure import Sentinel
from netbench.sentinel.rule import SPLIT_RATIO, split, state_of, usable
from netbench.spec import Role
from netbench.topology import LiveBlock, LivePair, choose_reader
from netbench.units import quantity

FIRST_PORT = 19001
UNITS = {"tcp-throughput": ("throughput", "bit/s"), "tcp-rr": ("rtt_p50", "s")}


@dataclass(frozen=True, slots=True)
class Reading:
    """One trial: its number, and the sentinel around it."""

    value: float
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Both:
    """Both trials of a pair."""

    netbench: Reading
    by_hand: Reading
    hand_first: bool

    @property
    def log_ratio(self) -> float:
        """Return ln(netbench / by hand)."""
        return math.log(self.netbench.value / self.by_hand.value)

    @property
    def sentinels(self) -> tuple[float | None, ...]:
        """Return all four readings."""
        return (
            self.netbench.before,
            self.netbench.after,
            self.by_hand.before,
            self.by_hand.after,
        )


class Comparison:
    """Runs pairs of trials over the endpoints of one driver."""

    def __init__(
        self, engine: Engine, plan: Plan, sentinel: Sentinel, raw: File, *, own_session: bool
    ) -> None:
        """Take what both arms share, and whether tools by hand have sessions of their own."""
        self._engine = engine
        self._plan = plan
        self._sentinel = sentinel
        self._reader = choose_reader(engine)
        self._raw = raw
        self._own_session = own_session
        self._trials = TrialRunner(engine, self._reader, plan, sentinel, self._save)
        self._random = Random(plan.seed)  # noqa: S311 -- an order, not a secret
        self._ports = iter(range(FIRST_PORT, 21000))
        self._number = 0

    def _save(self, number: int, role: Role, text: str) -> str:
        name = f"{number}-{role}.txt"
        (self._raw / name).write_text(text)
        return name

    def pairs(self, block: int) -> Iterator[tuple[Step, Both | NoNumber]]:
        """Make one pair of endpoints, yield a pair of trials for every probe and placement."""
        planned = self._plan.block(block)
        arm = next(arm for arm in planned.arms if not arm.replica)
        steps = [
            step
            for step in planned.steps
            if step.arm == arm
            and step.cell.probe in PARSE
            and step.cell.placement in self._plan.cpus
        ]
        prefix = f"fidelity-{block}"
        cpus = self._plan.run_cpus
        with LiveBlock(self._engine, self._reader, [arm], prefix=prefix, cpus=cpus) as live:
            pair = live.pairs[arm]
            if not isinstance(pair, LivePair):
                raise SystemExit(f"{arm}: {pair.reason}")
            held: dict[Step, Prepared] = {}
            try:
                # As the runner does: every client with a pause is brought into it first.
                for step in steps:
                    if self._plan.probes[step.cell.probe].holdable:
                        held[step] = self._trials.prepare(pair, step)
                for step in steps:
                    yield step, self._pair(pair, step, held.pop(step, None))
            finally:
                for prepared in held.values():
                    prepared.end()

    def _pair(self, pair: LivePair, step: Step, prepared: Prepared | None) -> Both | NoNumber:
        hand_first = self._random.random() < 1 / 2
        try:
            if hand_first:
                by_hand = self._by_hand(pair, step)
                netbench = self._by_netbench(pair, step, prepared)
            else:
                netbench = self._by_netbench(pair, step, prepared)
                by_hand = self._by_hand(pair, step)
        except NoNumber as nothing:
            if prepared:
                prepared.end()
            return nothing
        return Both(netbench, by_hand, hand_first)

    def _by_netbench(self, pair: LivePair, step: Step, prepared: Prepared | None) -> Reading:
        self._number += 1
        try:
            ready = prepared or self._trials.prepare(pair, step)
        except TrialFailed as failed:
            raise NoNumber(f"netbench: {failed.failure.reason}") from failed
        record = self._trials.carry_out(Where(self._number, 1, 1, step), ready)
        metric, _ = UNITS[step.cell.probe]
        if not isinstance(record.outcome, Sample):
            raise NoNumber(f"netbench: {record.outcome.reason}")
        value = record.outcome.value(metric)
        if value is None:
            raise NoNumber(f"netbench: no {metric}")
        window = record.sentinel
        return Reading(value, usable(window.before), usable(window.after))

    def _by_hand(self, pair: LivePair, step: Step) -> Reading:
        probe, cpus = self._plan.probes[step.cell.probe], self._plan.cpus[step.cell.placement]
        address, port = pair.target or "", next(self._ports)
        own = self._own_session
        server = start(
            self._engine,
            pair.server,
            probe.server_argv(address, port),
            cpus.server,
            own_session=own,
        )
        try:
            wait_for_listener(pair.server, port)
            before = self._sentinel.read(cpus.client, cpus.server)
            argv = probe.client_argv(address, port, self._plan.cc)
            client = start(self._engine, pair.client, argv, cpus.client, own_session=own)
            try:
                text = client.output()
            finally:
                client.kill()
            after = self._sentinel.read(cpus.client, cpus.server)
        finally:
            server.kill()
        return Reading(PARSE[probe.name](text), seen(before), seen(after))


def seen(reading: SentinelReading | Absent) -> float | None:
    """Return a reading's value, None where there is none."""
    return None if isinstance(reading, Absent) else usable(reading)


def shown(pair: Both, unit: str) -> str:
    """Return one pair as a line: both numbers, their ratio, the readings around each."""

    def around(reading: Reading, scale: float) -> str:
        return "/".join(
            "-" if value is None else f"{value / scale:.1f}"
            for value in (reading.before, reading.after)
        )

    largest = max((value for value in pair.sentinels if value is not None), default=1.0)
    scale = 1e9 if largest > 1e9 else 1e3  # noqa: PLR2004 -- a stream in Gbit/s, else round trips
    return (
        f"{quantity(pair.netbench.value, unit):>13}{quantity(pair.by_hand.value, unit):>13}"
        f"{math.exp(pair.log_ratio):8.3f}   {'hand' if pair.hand_first else 'netbench':8}"
        f"{around(pair.netbench, scale):>14}{around(pair.by_hand, scale):>14}"
    )


def summary(pairs: list[Both]) -> str:
    """Return geometric mean and spread of the ratios of some pairs."""
    logs = [pair.log_ratio for pair in pairs]
    if len(logs) < 2:  # noqa: PLR2004 -- a deviation needs two
        return f"{len(logs)} pairs"
    error = stdev(logs) / math.sqrt(len(logs))
    return (
        f"{math.exp(fmean(logs)):.3f}  (+- {error * 100:.1f} % standard error, deviation "
        f"{stdev(logs) * 100:.1f} %, median {math.exp(median(logs)):.3f}, {len(logs)} pairs)"
    )


def agree(pair: Both) -> bool:
    """Tell whether all four readings are there and differ by less than two states would."""
    values = [value for value in pair.sentinels if value is not None]
    return len(values) == len(pair.sentinels) and max(values) <= SPLIT_RATIO * min(values)


def conclude(pairs: list[Both]) -> None:
    """Print the ratio over all pairs, and over those whose four readings lie in one state."""
    readings = [value for pair in pairs for value in pair.sentinels if value is not None]
    threshold = split(readings)
    by_state: dict[str, list[Both]] = {}
    for pair in pairs:
        states = {"unknown" if v is None else state_of(v, threshold) for v in pair.sentinels}
        by_state.setdefault(states.pop() if len(states) == 1 else "mixed", []).append(pair)
    print(f"  all pairs        {summary(pairs)}")
    print(f"  readings agree   {summary([pair for pair in pairs if agree(pair)])}")
    for state, members in sorted(by_state.items()):
        print(f"  state {state:10} {summary(members)}")
    if threshold is None:
        print(f"  (one state: no gap of more than {SPLIT_RATIO} between the readings)")


def compare(engine: Engine, plan: Plan, *, own_session: bool) -> None:
    """Run every pair, print each as it ends, then the ratios."""
    found: dict[str, list[Both]] = {}
    head = f"{'netbench':>13}{'by hand':>13}{'ratio':>8}   {'first':8}"
    print(f"{'':24}{head}{'sentinel n.':>14}{'by hand':>14}")
    with TemporaryDirectory(prefix="netbench-fidelity-") as raw, Sentinel() as sentinel:
        comparison = Comparison(engine, plan, sentinel, File(raw), own_session=own_session)
        for block in range(1, plan.blocks + 1):
            for step, outcome in comparison.pairs(block):
                name = f"{step.cell.probe} {step.cell.placement}"
                if isinstance(outcome, NoNumber):
                    print(f"{name:24}  left out: {outcome}", flush=True)
                    continue
                found.setdefault(name, []).append(outcome)
                print(f"{name:24}{shown(outcome, UNITS[step.cell.probe][1])}", flush=True)
    for name, pairs in found.items():
        print(f"\n{name}: netbench / by hand")
        conclude(pairs)


def as_root_of_a_user_namespace() -> None:
    """Where we are not root, start this script again as root of a user namespace of its own."""
    if os.geteuid() != 0:
        argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, *sys.argv]
        os.execvp("unshare", argv)  # noqa: S606 -- replaces this process, no shell


def main() -> None:
    """Open an engine, make a plan of one driver, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("netns", "docker"), default="netns")
    parser.add_argument("--driver", default="host", help="any that carries traffic; default: host")
    parser.add_argument("--pairs", default="10", help="pairs of trials for each cell; default: 10")
    parser.add_argument("--suite", default="quick", help="cells to compare; default: quick")
    parser.add_argument(
        "--one-session",
        action="store_true",
        help="start the tools by hand in this program's session, as a script does, not in two",
    )
    parser.add_argument("--seed", help="of the order; default: random")
    given = parser.parse_args()
    if given.engine == "netns":
        as_root_of_a_user_namespace()
    options = Options(
        drivers=given.driver,
        engine=given.engine,
        suite=given.suite,
        blocks=given.pairs,
        seed=given.seed,
    )
    run = secrets.token_hex(3)
    try:
        request = parse(options)
        if len(request.drivers) != 1 or request.drivers[0].isolated:
            raise ConfigurationError("--driver takes one driver that carries traffic")
        engine = open_engine(given.engine, run, None)
        try:
            engine.prepare()
            plan = build(request, engine.cpu_topology())
            engine.host()  # only then is it known whether the engine is local
            if not engine.local:
                raise ConfigurationError("the engine's processes must be visible in /proc here")
            print(f"engine {engine.name}, driver {given.driver}, seed {plan.seed}\n")
            compare(engine, plan, own_session=not given.one_session)
        finally:
            engine.close()
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
