"""Options as the user wrote them, checked all together."""

import math
from dataclasses import dataclass
from typing import Final

from netbench.drivers import Driver, PathClaim, no_congestion_control
from netbench.errors import ConfigurationError
from netbench.plan.budget_scope import offered
from netbench.plan.budgets import read_budgets
from netbench.plan.drivers import driver_named, parse_drivers
from netbench.plan.mtu_check import unfit
from netbench.plan.suite import MOST_BLOCKS, Suite, load_suite
from netbench.record import Budget
from netbench.spec import Cell, Path, Placement

ENGINES: Final = ("auto", "docker", "netns")
DEFAULT_DRIVERS: Final = "host,bridge"
DEFAULT_MARGIN: Final = 0.05
DEFAULT_PRECISION: Final = 0.03
EXTENDS: Final = "+"
"""Sign before a number of `--blocks` or `--max-time` that extends a run."""
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

    drivers: tuple[Driver, ...]
    baseline: str
    engine: str
    suite: Suite
    paths: tuple[Path, ...]
    blocks: int
    """Exactly, or at most where `adaptive`."""
    adaptive: bool
    """Whether cells leave once they are settled: unless `--blocks` fixes the plan."""
    max_time: float | None
    strict: bool
    """Whether `max_time` is the user's own; a suite's leaves room for the least blocks."""
    precision: float
    margin: float
    seed: int | None
    pin: str
    """`auto`, `cross`, `same`, `none`, or CPUs as in `0,1`."""
    cc: str | None
    require: tuple[Budget, ...]
    allow_undecided: bool


def parse(options: Options, *more_problems: str) -> Request:
    """Return the request.

    Args:
        options: as the user wrote them.
        more_problems: found elsewhere (an output that cannot be written), to be told together.

    Raises:
        ConfigurationError: with every problem, in the order of the options.
    """
    problems: list[str] = []
    later: list[str] = []
    suite, suite_problems = load_suite(options.suite)
    paths = _paths(options.paths, later)
    drivers = _drivers(options.drivers, suite, problems)
    baseline = _baseline(options.baseline, drivers, paths, problems) if drivers else ""
    known = None if problems or later else suite
    if options.engine not in ENGINES:
        problems.append(f"--engine must be one of {', '.join(ENGINES)}, not {options.engine!r}")
    problems += [*suite_problems, *later]
    blocks_text = _no_extension("--blocks", options.blocks, problems)
    blocks = _integer("--blocks", blocks_text, None, (1, MOST_BLOCKS), problems)
    max_time_text = _no_extension("--max-time", options.max_time, problems)
    max_time = _number("--max-time", max_time_text, None, problems)
    if max_time is not None and suite is not None:
        trials = _trials(drivers, baseline, suite, paths, options.pin)
        too_short = _below_a_block(max_time, trials, suite.least)
        problems += [too_short] if too_short else []
    precision = _number("--precision", options.precision, DEFAULT_PRECISION, problems)
    margin = _number("--margin", options.margin, DEFAULT_MARGIN, problems)
    seed = _integer("--seed", options.seed, None, (0, 2**63 - 1), problems)
    _pin(options.pin, problems)
    if options.cc and (problem := no_congestion_control(options.cc)):
        problems.append(f"--cc: {problem}")
    if suite is not None:
        problems += unfit(suite, drivers, paths, options.parent)
    _parent(options.parent, drivers, problems)
    require = _require(options, known, drivers, (baseline, paths), problems)
    problems += more_problems
    if problems or suite is None or precision is None or margin is None:
        raise ConfigurationError(*problems)
    return Request(
        drivers=drivers,
        baseline=baseline,
        engine=options.engine,
        suite=suite,
        paths=paths,
        blocks=suite.most if blocks is None else blocks,
        adaptive=blocks is None,
        max_time=suite.max_time if max_time is None and blocks is None else max_time,
        strict=max_time is not None,
        precision=precision,
        margin=margin,
        seed=seed,
        pin=options.pin,
        cc=options.cc or None,
        require=require,
        allow_undecided=options.allow_undecided,
    )


def _require(
    options: Options,
    suite: Suite | None,
    drivers: tuple[Driver, ...],
    compared: tuple[str, tuple[Path, ...]],
    problems: list[str],
) -> tuple[Budget, ...]:
    """Return the budgets; without a suite only their form is checked."""
    if suite is None:
        return read_budgets(options.require, None, problems)
    baseline, paths = compared
    cells = tuple(
        Cell(driver.name, path, probe, placement)
        for driver in drivers
        for probe, path, placement in suite.kinds(paths, options.pin)
    )
    metrics = {name: probe.metrics for name, probe in suite.probes.items()}
    offer = offered(cells, metrics, baseline, drivers)
    return read_budgets(options.require, offer, problems)


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


def _trials(
    drivers: tuple[Driver, ...], baseline: str, suite: Suite, paths: tuple[Path, ...], pin: str
) -> tuple[int, float]:
    """Return how many sessions and trials one block has, and the seconds they take end to end."""
    trials = [
        suite.probes[name].expected
        for name, path, _ in suite.kinds(paths, pin)
        for driver in drivers
        if isinstance(driver.ways[path], PathClaim)
        for _ in range(1 + (driver.name == baseline))
    ]
    return len(trials), sum(trials)


def _below_a_block(limit: float, trials: tuple[int, float], least: int) -> str | None:
    """Return what is wrong with a limit that not even one block fits into."""
    count, seconds = trials
    block = seconds + _BRING_UP
    if limit >= block:
        return None
    return (
        f"--max-time {limit:g} is less than one block takes, about {block:.0f} s for {count} "
        f"measurements; a verdict needs at least {least} blocks: give --max-time "
        f"{math.ceil(least * block)} or more, or fewer drivers or cells"
    )


def _parent(name: str | None, drivers: tuple[Driver, ...], problems: list[str]) -> None:
    """Note what is wrong with the parent as far as the drivers show; links are looked at later."""
    if name is None:
        return
    if not name.strip():
        problems.append("--parent is empty; it takes the name of a link, such as eth1")
    children = [d.name for d in drivers if d.recipe.network and d.recipe.network.on_lan]
    if len(children) > 1:
        problems.append(
            f"--parent: {', '.join(children)} cannot share it: a link carries one kind of child "
            "network at a time, and the engine refuses a second network on it; name one of them"
        )


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


def _no_extension(option: str, text: str | None, problems: list[str]) -> str | None:
    """Return the text of an option; of one that would extend a run note that there is none."""
    if text is None or not text.strip().startswith(EXTENDS):
        return text
    problems.append(f"{option} {text} extends a run that is there: name its folder by --resume DIR")
    return None


def _integer(
    option: str,
    text: str | None,
    default: int | None,
    bounds: tuple[int, int],
    problems: list[str],
) -> int | None:
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not bounds[0] <= value <= bounds[1]:
        problems.append(
            f"{option} must be a whole number from {bounds[0]} to {bounds[1]}, not {text!r}"
        )
        return default
    return value


def _number(
    option: str, text: str | None, default: float | None, problems: list[str]
) -> float | None:
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        problems.append(f"{option} must be a number above 0, not {text!r}")
        return default
    return value


def _pin(text: str, problems: list[str]) -> None:
    words = text.split(",")
    if text in ("auto", *Placement):
        return
    if not all(word.strip().isdecimal() for word in words) or len(words) > 2:  # noqa: PLR2004 -- client and server
        offered = ", ".join(("auto", *Placement))
        problems.append(f"--pin must be {offered}, or CPUs CLIENT,SERVER as in 2,3; not {text!r}")
