"""Does netbench's own cell give what the same tool gives by hand? Ratios, interleaved.

Over one live pair, in random order: a trial by netbench's runner with all that it does (held
client, facts, proof of the path); the same command lines on the same CPUs as plain processes whose
output is read for one number only, released right after a sentinel reading, as netbench's are; and
the same without that. A reading keeps both CPUs awake, so that only the first two differ in
netbench alone. Goal: a ratio of 0.98 to 1.02 of these over at least 30 rounds in one state.
"""

import argparse
import json
import math
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path as File
from random import Random
from statistics import fmean, median, stdev
from tempfile import TemporaryDirectory

from by_hand import PARSE, NoNumber, Tool, start, wait_for_listener

from netbench.engines.base import Endpoint, Engine, Wishes
from netbench.engines.choose import open_engine
from netbench.errors import ConfigurationError, NetbenchError
from netbench.plan import Options, Plan, Step, build, parse
from netbench.probes import Probe
from netbench.record import Absent, Sample, SentinelReading
from netbench.runner.prepared import Prepared
from netbench.runner.trial import TrialFailed, TrialRunner, Where
from netbench.sentinel.measure import Sentinel
from netbench.sentinel.rule import SPLIT_RATIO, split, state_of, usable
from netbench.spec import Cpus, Role
from netbench.topology import LiveBlock, LivePair, choose_reader
from netbench.units import quantity

FIRST_PORT = 19001
ARMS = ("netbench", "by_hand", "plain")
REST = 1.0
"""Seconds from a reading to a plain client's start."""
WARM_UP = 0.6
"""Seconds from a client's start into its pause: its few warm-up messages are through."""
UNITS = {"tcp-throughput": ("throughput", "bit/s"), "tcp-rr": ("rtt_p50", "s")}


@dataclass(frozen=True, slots=True)
class Reading:
    """One trial: its number, and the sentinel around it."""

    value: float
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Round:
    """The three trials of a round."""

    netbench: Reading
    by_hand: Reading
    """Released right after a sentinel reading, as netbench's client is."""
    plain: Reading
    """Nothing before it."""
    order: tuple[str, ...]

    def log_ratio(self, other: str) -> float:
        """Return ln(netbench / other)."""
        reading: Reading = getattr(self, other)
        return math.log(self.netbench.value / reading.value)

    def sentinels(self, other: str) -> tuple[float | None, ...]:
        """Return all four readings around netbench's trial and another."""
        reading: Reading = getattr(self, other)
        return (self.netbench.before, self.netbench.after, reading.before, reading.after)


class Comparison:
    """Runs rounds of trials over the endpoints of one driver."""

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

    def _save(self, number: int, role: Role, text: str, turn: int) -> str:
        name = f"{number}-{role}-{turn}.txt"
        (self._raw / name).write_text(text)
        return name

    def rounds(self, block: int) -> Iterator[tuple[Step, Round | NoNumber]]:
        """Make one pair of endpoints, yield a round of trials for every probe and placement."""
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
        arms = [(arm, self._plan.driver(arm.driver))]
        with LiveBlock(self._engine, self._reader, arms, prefix=prefix, cpus=cpus) as live:
            pair = live.pairs[arm]
            if not isinstance(pair, LivePair):
                raise SystemExit(f"{arm}: {pair.reason}")
            held: dict[Step, Prepared] = {}
            try:
                # As the runner does: every client with a pause is brought into it first.
                for step in steps:
                    probe = self._plan.probes[step.cell.probe]
                    if isinstance(probe, Probe) and probe.holdable:
                        held[step] = self._trials.prepare(pair, step)
                for step in steps:
                    yield step, self._round(pair, step, held.pop(step, None))
            finally:
                for prepared in held.values():
                    prepared.end()

    def _round(self, pair: LivePair, step: Step, prepared: Prepared | None) -> Round | NoNumber:
        order = self._random.sample(ARMS, len(ARMS))
        try:
            readings = {
                arm: self._by_netbench(pair, step, prepared)
                if arm == "netbench"
                else self._by_hand(pair, step, plain=arm == "plain")
                for arm in order
            }
        except NoNumber as nothing:
            if prepared:
                prepared.end()
            return nothing
        return Round(**readings, order=tuple(order))

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

    def _by_hand(self, pair: LivePair, step: Step, *, plain: bool) -> Reading:
        probe, cpus = self._plan.probes[step.cell.probe], self._plan.cpus[step.cell.placement]
        assert isinstance(probe, Probe), "PARSE names nothing else"
        address, port = pair.pair.target or "", next(self._ports)
        serving = probe.server_argv(address, port)
        server = self._start(pair.server, serving, cpus.server)
        try:
            wait_for_listener(pair.server, port)
            argv = probe.client_argv(address, port, self._plan.cc)
            if plain:
                before = self._sentinel.read(cpus.client, cpus.server)
                time.sleep(REST)
                client = self._start(pair.client, argv, cpus.client)
            else:
                client, before = self._after_reading(pair, probe, argv, cpus)
            try:
                text = client.output()
            finally:
                client.kill()
            after = self._sentinel.read(cpus.client, cpus.server)
        finally:
            server.kill()
        return Reading(PARSE[probe.name](text), seen(before), seen(after))

    def _after_reading(
        self, pair: LivePair, probe: Probe, argv: tuple[str, ...], cpus: Cpus
    ) -> tuple[Tool, SentinelReading | Absent]:
        """Return a client that was let go right after a reading, out of its own pause if any."""
        if not probe.holdable:
            before = self._sentinel.read(cpus.client, cpus.server)
            return self._start(pair.client, argv, cpus.client), before
        client = self._start(pair.client, argv, cpus.client)
        time.sleep(WARM_UP)
        client.signal("STOP")
        time.sleep(probe.holdable)
        before = self._sentinel.read(cpus.client, cpus.server)
        client.signal("CONT")
        return client, before

    def _start(self, endpoint: Endpoint, argv: tuple[str, ...], cpu: int | None) -> Tool:
        return start(self._engine, endpoint, argv, cpu, own_session=self._own_session)


def seen(reading: SentinelReading | Absent) -> float | None:
    """Return a reading's value, None where there is none."""
    return None if isinstance(reading, Absent) else usable(reading)


def shown(one: Round, unit: str) -> str:
    """Return one round as a line: its numbers, their ratios, the readings around each."""

    def around(reading: Reading, scale: float) -> str:
        return "/".join(
            "-" if value is None else f"{value / scale:.1f}"
            for value in (reading.before, reading.after)
        )

    trials = (one.netbench, one.by_hand, one.plain)
    largest = max((r.before for r in trials if r.before is not None), default=1.0)
    scale = 1e9 if largest > 1e9 else 1e3  # noqa: PLR2004 -- a stream in Gbit/s, else round trips
    values = "".join(f"{quantity(reading.value, unit):>13}" for reading in trials)
    ratios = "".join(f"{math.exp(one.log_ratio(other)):8.3f}" for other in ARMS[1:])
    return values + ratios + "".join(f"{around(reading, scale):>14}" for reading in trials)


def summary(logs: list[float]) -> str:
    """Return geometric mean and spread of some ratios."""
    if len(logs) < 2:  # noqa: PLR2004 -- a deviation needs two
        return f"{len(logs)} rounds"
    error = stdev(logs) / math.sqrt(len(logs))
    return (
        f"{math.exp(fmean(logs)):.3f}  (+- {error * 100:.1f} % standard error, deviation "
        f"{stdev(logs) * 100:.1f} %, median {math.exp(median(logs)):.3f}, {len(logs)} rounds)"
    )


def agree(values: tuple[float | None, ...]) -> bool:
    """Tell whether all four readings are there and differ by less than two states would."""
    known = [value for value in values if value is not None]
    return len(known) == len(values) and max(known) <= SPLIT_RATIO * min(known)


def conclude(rounds: list[Round], other: str) -> None:
    """Print the ratio over all rounds, and over those whose four readings lie in one state."""
    found = [(one.log_ratio(other), one.sentinels(other)) for one in rounds]
    threshold = split(value for _, values in found for value in values if value is not None)
    by_state: dict[str, list[float]] = {}
    for log, values in found:
        states = {"unknown" if v is None else state_of(v, threshold) for v in values}
        by_state.setdefault(states.pop() if len(states) == 1 else "mixed", []).append(log)
    print(f"  all rounds       {summary([log for log, _ in found])}")
    print(f"  readings agree   {summary([log for log, values in found if agree(values)])}")
    for state, members in sorted(by_state.items()):
        print(f"  state {state:10} {summary(members)}")
    if threshold is None:
        print(f"  (one state: no gap of more than {SPLIT_RATIO} between the readings)")


def compare(engine: Engine, plan: Plan, kept: File | None, *, own_session: bool) -> None:
    """Run every round, print and keep each as it ends, then the ratios."""
    found: dict[str, list[Round]] = {}
    heads = ("netbench", "by hand", "plain")
    print(f"{'':24}{''.join(f'{head:>13}' for head in heads)}{'n/hand':>8}{'n/plain':>8}", end="")
    print("".join(f"{head:>14}" for head in heads))
    with TemporaryDirectory(prefix="netbench-fidelity-") as raw, Sentinel() as sentinel:
        comparison = Comparison(engine, plan, sentinel, File(raw), own_session=own_session)
        for block in range(1, plan.blocks + 1):
            for step, outcome in comparison.rounds(block):
                name = f"{step.cell.probe} {step.cell.placement}"
                if isinstance(outcome, NoNumber):
                    print(f"{name:24}  left out: {outcome}", flush=True)
                    continue
                found.setdefault(name, []).append(outcome)
                print(f"{name:24}{shown(outcome, UNITS[step.cell.probe][1])}", flush=True)
                keep(kept, engine.name, name, outcome)
    for name, rounds in found.items():
        for other, what in (("by_hand", "by hand, after a reading too"), ("plain", "plain")):
            print(f"\n{name}: netbench / {what}")
            conclude(rounds, other)


def keep(kept: File | None, engine: str, cell: str, one: Round) -> None:
    """Append a round to a file of JSON lines."""
    if kept is not None:
        with kept.open("a") as file:
            file.write(json.dumps({"engine": engine, "cell": cell, **asdict(one)}) + "\n")


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
    parser.add_argument("--rounds", default="30", help="of trials for each cell; default: 30")
    parser.add_argument("--keep", type=File, metavar="FILE", help="append rounds, JSON lines")
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
        blocks=given.rounds,
        seed=given.seed,
    )
    run = secrets.token_hex(3)
    try:
        request = parse(options)
        if len(request.drivers) != 1 or request.drivers[0].isolated:
            raise ConfigurationError("--driver takes one driver that carries traffic")
        engine = open_engine(given.engine, run, Wishes())
        try:
            engine.prepare()
            plan = build(request, engine.cpu_topology())
            engine.host()  # only then is it known whether the engine is local
            if not engine.local:
                raise ConfigurationError("the engine's processes must be visible in /proc here")
            print(f"engine {engine.name}, driver {given.driver}, seed {plan.seed}\n")
            compare(engine, plan, given.keep, own_session=not given.one_session)
        finally:
            engine.close()
    except NetbenchError as error:
        print("\n  ".join(filter(None, (error.message, error.hint))), file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
