"""Options as the user wrote them, checked all together, and the plan that they ask for."""

import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from netbench.drivers import Driver, PathClaim, no_congestion_control
from netbench.errors import ConfigurationError
from netbench.plan.budget_scope import offered
from netbench.plan.budgets import read_budgets
from netbench.plan.drivers import driver_named, mtu_of, parse_drivers
from netbench.plan.extend import asks_to_extend, positive, whole_number
from netbench.plan.model import DEFAULT_MARGIN, DEFAULT_PRECISION, Plan, cells_of, place
from netbench.plan.suite import LEAST_BLOCKS, MOST_BLOCKS, Suite, load_suite
from netbench.probes import UdpRate
from netbench.record import Budget
from netbench.spec import CpuTopology, Path, Placement

T = TypeVar("T")
ENGINES: Final = ("auto", "docker", "netns")
DEFAULT_DRIVERS: Final = "host,bridge"
_BRING_UP: Final = 1.0
"""Seconds that bringing the pairs of a block up and down takes at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `run` that make a plan, as text."""

    drivers: str | None = None
    """None leaves it to the suite, and, where that names none, to `DEFAULT_DRIVERS`."""
    baseline: str | None = None
    engine: str = "auto"
    suite: str = "quick"
    paths: str = "east-west"
    blocks: str | None = None
    max_time: str | None = None
    precision: str | None = None
    margin: str | None = None
    seed: str | None = None
    pin: str = "auto"
    cc: str | None = None
    parent: str | None = None
    require: tuple[str, ...] = ()
    allow_undecided: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Options that are right in themselves."""

    engine: str
    pin: str
    """`auto`, `cross`, `same`, `none`, or CPUs as in `0,1`."""
    suite: Suite
    plan: Plan
    """Without the CPUs, which are the machine's to give."""


def build(request: Request, topology: CpuTopology) -> Plan:
    """Return the plan for a machine; ConfigurationError where `--pin` names unusable CPUs."""
    plan, suite = request.plan, request.suite
    pinned = frozenset(at for name, _, at in plan.kinds if not suite.is_engines(name))
    cpus, impossible, problems = place(request.pin, pinned, topology)
    if problems:
        raise ConfigurationError(*problems)
    return replace(plan, cpus=cpus, impossible=impossible)


@dataclass(frozen=True, slots=True)
class _Compared:
    """What is compared, and where; as far as it could be read."""

    suite: Suite | None
    drivers: tuple[Driver, ...]
    baseline: str
    paths: tuple[Path, ...]
    pin: str

    @property
    def kinds(self) -> tuple[tuple[str, Path, Placement], ...]:
        """Probe, path and placement of every cell of a driver."""
        return self.suite.kinds(self.paths, self.pin) if self.suite else ()


def parse(options: Options, *more_problems: str) -> Request:
    """Return the request.

    Raises ConfigurationError with every problem in the order of the options, then those that were
    found elsewhere.
    """
    problems: list[str] = []
    compared, sound = _compared(options, problems)
    blocks = _integer("blocks", options.blocks, 1, MOST_BLOCKS, problems)
    max_time = _number("max-time", options.max_time, problems)
    problems += _too_short(max_time, compared)
    precision = _number("precision", options.precision, problems)
    margin = _number("margin", options.margin, problems)
    seed = _integer("seed", options.seed, 0, 2**63 - 1, problems)
    problems += [*_pin(options.pin), *_cc(options.cc), *_unfit(compared, options.parent)]
    problems += _parent(options.parent, compared.drivers)
    require = _require(options.require, compared if sound else None, problems)
    problems += more_problems
    if problems or compared.suite is None:
        raise ConfigurationError(*problems)
    plan = replace(
        _planned(compared, compared.suite, blocks, max_time, seed),
        limits=_limits(compared.suite, options.pin, require),
        margin=margin or DEFAULT_MARGIN,
        cc=options.cc or None,
        require=require,
        allow_undecided=options.allow_undecided,
        precision=precision or DEFAULT_PRECISION,
    )
    return Request(options.engine, options.pin, compared.suite, plan)


def _planned(
    compared: _Compared,
    suite: Suite,
    blocks: int | None,
    max_time: float | None,
    seed: int | None,
) -> Plan:
    """Return the plan as far as it is given by what is compared, and for how long."""
    most = suite.most if blocks is None else blocks
    least = min(most, suite.least)
    return Plan(
        suite=suite.name,
        drivers=compared.drivers,
        baseline=compared.baseline,
        kinds=compared.kinds,
        probes=suite.probes,
        secondary=frozenset((n, suite.placed(compared.pin, n, at)) for n, at in suite.secondary),
        blocks=most,
        cap=most,
        max_time=suite.max_time if max_time is None and blocks is None else max_time,
        seed=secrets.randbits(32) if seed is None else seed,
        published=suite.published,
        adaptive=blocks is None,
        least=least,
        unhurried=min(least, LEAST_BLOCKS) if max_time is None else 0,
    )


def _compared(options: Options, problems: list[str]) -> tuple[_Compared, bool]:
    """Return what is compared, and whether drivers, baseline and paths are right."""
    later: list[str] = []
    suite, suite_problems = load_suite(options.suite)
    paths = _paths(options.paths, later)
    drivers = _drivers(options.drivers, suite, problems)
    baseline = _baseline(options.baseline, drivers, paths, problems) if drivers else ""
    sound = not problems and not later
    if options.engine not in ENGINES:
        problems.append(f"--engine must be one of {', '.join(ENGINES)}, not {options.engine!r}")
    problems += [*suite_problems, *later]
    return _Compared(suite, drivers, baseline, paths, options.pin), sound


def _drivers(text: str | None, suite: Suite | None, problems: list[str]) -> tuple[Driver, ...]:
    """Return the drivers that are named, else the suite's; none where the suite is unreadable."""
    if text is not None:
        return parse_drivers(text, problems)
    if suite is None:
        return ()
    return suite.drivers or parse_drivers(DEFAULT_DRIVERS, problems)


def _baseline(
    text: str | None, drivers: tuple[Driver, ...], paths: tuple[Path, ...], problems: list[str]
) -> str:
    names = [driver.name for driver in drivers]
    if text is None:
        carrying = [driver.name for driver in drivers if _carries(driver, paths)]
        return "host" if "host" in names else next(iter(carrying or names))
    try:
        wanted = driver_named(text)
    except ConfigurationError as exc:
        problems += [f"--baseline: {problem}" for problem in exc.problems]
        return text
    if wanted.name not in names:
        problems.append(f"--baseline {text!r} is not among the drivers ({', '.join(names)})")
    elif not _carries(wanted, paths):
        which = "" if wanted.isolated else f" {' or '.join(paths)}"
        problems.append(f"--baseline {text!r} carries no{which} traffic to compare with")
    return wanted.name


def _carries(driver: Driver, paths: tuple[Path, ...]) -> bool:
    """Tell whether one of these paths is open; where none is known, whether any is."""
    return any(isinstance(driver.ways[path], PathClaim) for path in paths or Path)


def _paths(text: str, problems: list[str]) -> tuple[Path, ...]:
    found: list[Path] = []
    for name in (part.strip() for part in text.split(",") if part.strip()):
        if name not in list(Path):
            problems.append(f"--paths: unknown path {name!r}; known: {', '.join(Path)}")
        elif Path(name) in found:
            problems.append(f"--paths lists {name!r} twice")
        else:
            found.append(Path(name))
    if not text.strip(" ,"):
        problems.append(f"--paths is empty; known: {', '.join(Path)}")
    return tuple(found)


def _value(
    option: str, text: str | None, read: Callable[[str], T | None], wanted: str, problems: list[str]
) -> T | None:
    """Return an option's value, noting a text that is none, or would extend a run."""
    if text is None:
        return None
    if asks_to_extend(option, text):
        where = "extends a run that is there: name its folder by --resume DIR"
        problems.append(f"--{option} {text} {where}")
        return None
    value = read(text)
    if value is None:
        problems.append(f"--{option} must be {wanted}, not {text!r}")
    return value


def _integer(option: str, text: str | None, low: int, high: int, problems: list[str]) -> int | None:
    wanted = f"a whole number from {low} to {high}"
    return _value(option, text, lambda given: whole_number(given, low, high), wanted, problems)


def _number(option: str, text: str | None, problems: list[str]) -> float | None:
    return _value(option, text, positive, "a number above 0", problems)


def _too_short(limit: float | None, compared: _Compared) -> Iterator[str]:
    """Yield what is wrong with a limit that not even one block fits into."""
    suite = compared.suite
    if limit is None or suite is None:
        return
    trials = [
        suite.probes[name].expected
        for name, path, _ in compared.kinds
        for driver in compared.drivers
        if isinstance(driver.ways[path], PathClaim)
        for _ in range(1 + (driver.name == compared.baseline))
    ]
    block = sum(trials) + _BRING_UP
    if limit < block:
        yield (
            f"--max-time {limit:g} is less than one block takes, about {block:.0f} s for "
            f"{len(trials)} measurements; a verdict needs at least {suite.least} blocks: give "
            f"--max-time {math.ceil(suite.least * block)} or more, or fewer drivers or cells"
        )


def _pin(text: str) -> Iterator[str]:
    words = text.split(",")
    numbers = all(word.strip().isdecimal() for word in words)
    if text not in ("auto", *Placement) and not (numbers and len(words) in (1, 2)):
        offered = ", ".join(("auto", *Placement))
        yield f"--pin must be {offered}, or CPUs CLIENT,SERVER as in 2,3; not {text!r}"


def _cc(name: str | None) -> Iterator[str]:
    if name and (problem := no_congestion_control(name)):
        yield f"--cc: {problem}"


def _unfit(compared: _Compared, parent: str | None) -> Iterator[str]:
    """Yield every probe whose datagrams cannot pass a path; `parent` is a link of unknown MTU."""
    probes = compared.suite.probes if compared.suite else {}
    for name, path in dict.fromkeys((name, path) for name, path, _ in compared.kinds):
        probe = probes[name]
        for driver in compared.drivers if isinstance(probe, UdpRate) else ():
            mtu = mtu_of(driver, path, parent)
            problem = probe.unfit(mtu, driver.recipe.family) if mtu else None
            if problem:
                yield f"probes.{name}: {problem} (driver {driver.name}, {path})"


def _parent(name: str | None, drivers: tuple[Driver, ...]) -> Iterator[str]:
    """Yield what is wrong with the parent as far as the drivers show; links are read later."""
    if name is None:
        return
    if not name.strip():
        yield "--parent is empty; it takes the name of a link, such as eth1"
    children = [d.name for d in drivers if d.recipe.network and d.recipe.network.on_lan]
    if len(children) > 1:
        yield (
            f"--parent: {', '.join(children)} cannot share it: a link carries one kind of child "
            "network at a time, and the engine refuses a second network on it; name one of them"
        )


def _require(
    expressions: tuple[str, ...], compared: _Compared | None, problems: list[str]
) -> tuple[Budget, ...]:
    """Return the budgets; where it is not known what is compared, only their form is checked."""
    if compared is None or compared.suite is None:
        return read_budgets(expressions, None, problems)
    cells = cells_of(compared.drivers, compared.kinds)
    metrics = {name: probe.metrics for name, probe in compared.suite.probes.items()}
    offer = offered(cells, metrics, compared.baseline, compared.drivers)
    return read_budgets(expressions, offer, problems)


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
