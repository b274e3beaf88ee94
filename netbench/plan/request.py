"""Options as the user wrote them, checked all together, and the plan that they ask for."""

import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from netbench.drivers import Driver, PathClaim, no_congestion_control
from netbench.errors import ConfigurationError
from netbench.plan.budget_scope import BudgetScope, scope_of_cells
from netbench.plan.budgets import read_budgets
from netbench.plan.drivers import driver_named, mtu_of, parse_drivers, third_party_problems
from netbench.plan.extend import MOST_SECONDS, asks_to_extend, positive, whole_number
from netbench.plan.model import (
    DEFAULT_MARGIN,
    DEFAULT_PRECISION,
    Plan,
    cells_of,
    pinned,
    place,
)
from netbench.plan.paths import read_paths
from netbench.plan.suite import LEAST_BLOCKS, MOST_BLOCKS, Suite, load_suite
from netbench.probes import UdpRate
from netbench.record import Budget
from netbench.record.checks import plan_problem
from netbench.spec import (
    PUBLISHED_PORTS,
    SPARE_PORTS,
    CpuTopology,
    Path,
    Placement,
    engine_problem,
    option_problem,
)

T = TypeVar("T")
DEFAULT_DRIVERS: Final = "host,bridge"
MOST_SERVERS: Final = len(PUBLISHED_PORTS) - SPARE_PORTS
_SHARES: Final = (1e-6, 100.0)  # smallest and largest margin and precision
_BRING_UP: Final = 1.0  # seconds that bringing the pairs of a block up and down takes at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `run` that make a plan, as text."""

    drivers: str | None = None  # None leaves it to the suite, or `DEFAULT_DRIVERS`
    baseline: str | None = None
    engine: str = "auto"
    suite: str = "quick"
    paths: str | None = None  # None leaves it to the suite
    blocks: str | None = None
    max_time: str | None = None
    precision: str | None = None
    margin: str | None = None
    seed: str | None = None
    pin: str = "auto"
    cc: str | None = None
    parent: str | None = None
    peer_context: str | None = None
    require: tuple[str, ...] = ()
    allow_undecided: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Options that are right in themselves."""

    engine: str
    pin: str  # `auto`, `cross`, `same`, `none`, or CPUs as in `0,1`
    suite: Suite
    plan: Plan  # without the CPUs, which are the machine's to give


def build(request: Request, topology: CpuTopology) -> Plan:
    """Return the plan for a machine; ConfigurationError where `--pin` names unusable CPUs."""
    plan, suite = request.plan, request.suite
    pinned = frozenset(at for name, _, at in plan.kinds if not suite.is_engines(name))
    cpus, impossible, problems = place(request.pin, pinned, topology)
    if problems:
        raise ConfigurationError(*problems)
    return replace(plan, cpus=cpus, impossible=impossible)


def parse(options: Options, *more_problems: str) -> Request:
    """Return the request; ConfigurationError with every problem, those found elsewhere last."""
    return _Parser(options).request(more_problems)


class _Parser:
    """Reads the options of one request; every problem is noted."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._problems: list[str] = []
        self._suite, suite_problems = load_suite(options.suite)
        two, usual = options.peer_context is not None, self._suite.paths if self._suite else ()
        self._paths, path_problems = read_paths(options.paths, usual, two=two)
        self._drivers = self._compared()
        self._baseline = self._reference() if self._drivers else ""
        self._sound = not self._problems and not path_problems  # whether cells are known
        engine = engine_problem(options.engine)
        self._problems += [engine] if engine else []
        self._problems += [*suite_problems, *path_problems]
        self._kinds = self._suite.kinds(self._paths, options.pin) if self._suite else ()
        if self._suite and not self._kinds and Path.ACROSS in self._paths:
            self._problems.append(
                "between two machines nothing runs on one core, and the engine is not measured: "
                "the suite has no other cell"
            )

    def _compared(self) -> tuple[Driver, ...]:
        if self._options.drivers is not None:
            return parse_drivers(self._options.drivers, self._problems)
        if self._suite is None:
            return ()
        return self._suite.drivers or parse_drivers(DEFAULT_DRIVERS, self._problems)

    def _reference(self) -> str:
        names, text = [driver.name for driver in self._drivers], self._options.baseline
        if text is None:
            carrying = [driver.name for driver in self._drivers if self._carries(driver)]
            return "host" if "host" in names else next(iter(carrying or names))
        try:
            wanted = driver_named(text)
        except ConfigurationError as exc:
            self._problems += [f"--baseline: {problem}" for problem in exc.problems]
            return text
        if wanted.name not in names:
            among = f"is not among the drivers ({', '.join(names)})"
            self._problems.append(f"--baseline {text!r} {among}")
        elif not self._carries(wanted):
            which = "" if wanted.isolated else f" {' or '.join(self._paths)}"
            self._problems.append(f"--baseline {text!r} carries no{which} traffic to compare with")
        return wanted.name

    def _carries(self, driver: Driver) -> bool:
        """Tell whether one of the paths is open; where none is known, whether any is."""
        return any(isinstance(driver.ways[path], PathClaim) for path in self._paths or Path)

    def request(self, more_problems: tuple[str, ...]) -> Request:
        """Return the request; errors as `parse`."""
        given = self._options
        blocks = self._integer("blocks", given.blocks, 1, MOST_BLOCKS)
        max_time = self._number("max-time", given.max_time, 0, MOST_SECONDS)
        self._problems += self._too_short(max_time)
        precision = self._number("precision", given.precision, *_SHARES)
        margin = self._number("margin", given.margin, *_SHARES)
        seed = self._integer("seed", given.seed, 0, 2**63 - 1)
        self._problems += [*_pin(given.pin), *_cc(given.cc), *self._unfit(), *self._parent()]
        self._problems += self._too_many_ports()
        require = read_budgets(given.require, self._scope(), self._problems)
        self._problems += third_party_problems()
        self._problems += [one for one in more_problems if one not in self._problems]
        if self._problems or self._suite is None:
            raise ConfigurationError(*self._problems)
        plan = replace(
            self._planned(self._suite, blocks, max_time),
            limits=_limits(self._suite, given.pin, require),
            seed=secrets.randbits(32) if seed is None else seed,
            margin=margin or DEFAULT_MARGIN,
            cc=given.cc,
            require=require,
            allow_undecided=given.allow_undecided,
            precision=precision or DEFAULT_PRECISION,
        )
        if problem := plan_problem(plan.summary()):  # or nothing could read what is measured
            raise ConfigurationError(problem)
        return Request(given.engine, given.pin, self._suite, plan)

    def _planned(self, suite: Suite, blocks: int | None, max_time: float | None) -> Plan:
        pin, most = self._options.pin, suite.most if blocks is None else blocks
        least = min(most, suite.least)
        return Plan(
            suite=suite.name,
            drivers=self._drivers,
            baseline=self._baseline,
            kinds=self._kinds,
            probes=suite.probes,
            secondary=frozenset((n, suite.placed(pin, n, at)) for n, at in suite.secondary),
            blocks=most,
            cap=most,
            max_time=suite.max_time if max_time is None and blocks is None else max_time,
            seed=0,
            published=suite.published,
            adaptive=blocks is None,
            least=least,
            unhurried=min(least, LEAST_BLOCKS) if max_time is None else 0,
        )

    def _value(
        self, option: str, text: str | None, read: Callable[[str], T | None], wanted: str
    ) -> T | None:
        """Return an option's value, noting a text that is none, or would extend a run."""
        if text is None:
            return None
        if asks_to_extend(option, text):
            where = "extends a run that is there: name its folder by --resume DIR"
            self._problems.append(f"--{option} {text} {where}")
            return None
        value = read(text)
        if value is None:
            self._problems.append(f"--{option} must be {wanted}, not {text!r}")
        return value

    def _integer(self, option: str, text: str | None, low: int, high: int) -> int | None:
        wanted = f"a whole number from {low} to {high}"
        return self._value(option, text, lambda given: whole_number(given, low, high), wanted)

    def _number(self, option: str, text: str | None, low: float, high: float) -> float | None:
        value = self._value(option, text, positive, "a number above 0")
        if value is not None and not low <= value <= high:
            self._problems.append(f"--{option} must be from {low:g} to {high:g}, not {text!r}")
        return value

    def _too_short(self, limit: float | None) -> Iterator[str]:
        if limit is None or self._suite is None:
            return
        trials = [
            self._suite.probes[name].expected
            for name, path, _ in self._kinds
            for driver in self._drivers
            if isinstance(driver.ways[path], PathClaim)
            for _ in range(1 + (driver.name == self._baseline))
        ]
        block, least = sum(trials) + _BRING_UP, self._suite.least
        if limit < block:
            yield (
                f"--max-time {limit:g} is less than one block takes, about {block:.0f} s for "
                f"{len(trials)} measurements; a verdict needs at least {least} blocks: give "
                f"--max-time {math.ceil(least * block)} or more, or fewer drivers or cells"
            )

    def _unfit(self) -> Iterator[str]:
        probes = self._suite.probes if self._suite else {}
        for name, path in dict.fromkeys((name, path) for name, path, _ in self._kinds):
            probe = probes[name]
            if not isinstance(probe, UdpRate):
                continue
            for driver in self._drivers:
                mtu = mtu_of(driver, path, self._options.parent)
                problem = probe.unfit(mtu, driver.recipe.family) if mtu else None
                if problem:
                    yield f"probes.{name}: {problem} (driver {driver.name}, {path})"

    def _too_many_ports(self) -> Iterator[str]:
        """Yield whether more servers would have to be published than there are ports for."""
        plan = self._planned(self._suite, None, None) if self._suite and self._sound else None
        if plan and plan.servers > MOST_SERVERS:
            yield (
                f"the cells have {plan.servers} servers in a block behind published ports, and at "
                f"most {MOST_SERVERS} can be published: fewer `clients` or cells, or --paths "
                "east-west"
            )

    def _parent(self) -> Iterator[str]:
        """Yield what is wrong with the parent as far as the drivers show; links are read later."""
        name = self._options.parent
        if name is None:
            return
        if problem := option_problem("parent", name):
            yield problem
        networks = ((driver.name, driver.recipe.network) for driver in self._drivers)
        children = [driver for driver, network in networks if network and network.on_lan]
        if len(children) > 1:
            yield (
                f"--parent: {', '.join(children)} cannot share it: a link carries one kind of "
                "child network at a time, and the engine refuses a second network on it; name one "
                "of them"
            )

    def _scope(self) -> BudgetScope | None:
        if not self._sound or self._suite is None:
            return None
        cells = cells_of(self._drivers, self._kinds)
        metrics = {name: probe.metrics for name, probe in self._suite.probes.items()}
        return scope_of_cells(cells, metrics, self._baseline, self._drivers)


def _pin(text: str) -> Iterator[str]:
    if text not in ("auto", *Placement) and not pinned(text):
        offered = ", ".join(("auto", *Placement))
        yield f"--pin must be {offered}, or CPUs CLIENT,SERVER as in 2,3; not {text!r}"


def _cc(name: str | None) -> Iterator[str]:
    if name is not None and (problem := no_congestion_control(name)):
        yield f"--cc: {problem}"


def _limits(
    suite: Suite, pin: str, require: tuple[Budget, ...]
) -> dict[tuple[str, Placement], int]:
    """Return in how many blocks cells run that only describe; a budget needs its cells in all."""
    budgeted = {budget.metric for budget in require}
    return {
        (name, suite.placed(pin, name, placement)): most
        for (name, placement), most in suite.limits.items()
        if budgeted.isdisjoint(suite.probes[name].metrics)
    }
