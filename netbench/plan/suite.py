"""Suites: which probes, with which parameters, in which placements, on which drivers. TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from netbench.drivers import Driver
from netbench.errors import ConfigurationError
from netbench.plan.suite_tables import (
    TomlFile,
    TomlTable,
    is_positive,
    read_drivers,
    read_published,
    whole,
)
from netbench.probes import PROBE_NAME, PROBES, AnyProbe, ControlPlane
from netbench.record import PublishedComparison
from netbench.spec import Path as TrafficPath
from netbench.spec import Placement
from netbench.system.files import LARGEST_INPUT, read_regular

LEAST_BLOCKS: Final = 6  # no contrast is settled by fewer (METHOD §2)
MOST_BLOCKS: Final = 1000
DEFAULT_MOST: Final = 40
_BESIDE: Final = (TrafficPath.EAST_WEST,)  # where the engine's trials are, whatever is asked for

_TOP = {"name", "title", "blocks", "max_time", "paths", "probes", "cell", "driver", "published"}
_CELL = {"probe", "placement", "primary", "blocks"}
_KIND = "kind"  # key of a probe's table that names what it is a configuration of


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite as read."""

    name: str
    title: str
    probes: dict[str, AnyProbe]  # by name, with the suite's parameters
    cells: tuple[tuple[str, Placement], ...]  # probe and placement, in the file's order
    secondary: frozenset[tuple[str, Placement]] = frozenset()  # cells that are not judged
    limits: Mapping[tuple[str, Placement], int] = field(default_factory=dict)
    """In how many blocks, the first ones, those of the cells run that do not run in all."""
    drivers: tuple[Driver, ...] = ()  # what to compare where the user names no drivers
    paths: tuple[TrafficPath, ...] = _BESIDE  # which ways, where the user names none
    published: tuple[PublishedComparison, ...] = ()
    least: int = LEAST_BLOCKS  # pairs that a contrast has at least before it may be settled
    most: int = DEFAULT_MOST  # blocks after which the run ends, whatever is left
    max_time: float | None = None  # seconds after which no block starts, once there were `least`

    def kinds(
        self, paths: tuple[TrafficPath, ...], pin: str
    ) -> tuple[tuple[str, TrafficPath, Placement], ...]:
        """Return probe, path and placement of every cell of a driver."""
        found = (
            (name, path, self.placed(pin, name, placement))
            for name, placement in self.cells
            for path in (_BESIDE if isinstance(self.probes[name], ControlPlane) else paths)
        )
        if TrafficPath.ACROSS in paths:
            # Two machines have no core in common, and each engine is one machine's own.
            found = (
                one for one in found if one[2] is not Placement.SAME and not self.is_engines(one[0])
            )
        return tuple(dict.fromkeys(found))

    def is_engines(self, probe: str) -> bool:
        """Tell whether a probe's trials are of the engine itself, with no tool to pin."""
        return self.probes[probe].of_engine

    def placed(self, pin: str, probe: str, placement: Placement) -> Placement:
        """Return a cell's placement: that of `--pin` where it names one, and tools are pinned."""
        forced = pin in list(Placement) and not self.is_engines(probe)
        return Placement(pin) if forced else placement


def suite_path(name: str) -> Path | None:
    """Return the file of a suite given by name or path, None if there is none."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        return path if path.is_file() else None
    files = (folder / f"{name}.toml" for folder in _shipped())
    return next((file for file in files if file.is_file()), None)


def shipped() -> list[str]:
    """Return the names of the suites that come with netbench."""
    return sorted({file.stem for folder in _shipped() for file in folder.glob("*.toml")})


def _shipped() -> tuple[Path, ...]:
    package = Path(__file__).parent.parent
    return package / "suites", package.parent / "benchmarks"


def load_suite(name: str) -> tuple[Suite | None, list[str]]:
    """Return a suite and every problem of its file, with file, line and key."""
    try:
        path = suite_path(name)
        if path is None:
            known = ", ".join(shipped())
            return None, [f"--suite {name!r}: no such suite or file; shipped are {known}"]
        text = read_regular(path, LARGEST_INPUT).decode()
        raw = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as exc:
        return None, [f"--suite {name}: {getattr(exc, 'strerror', None) or exc}"]
    file = TomlFile(path, text)
    suite = _suite(TomlTable(file, raw), path.stem)
    return (None, file.problems) if file.problems else (suite, [])


def _suite(top: TomlTable, stem: str) -> Suite:
    top.check_keys(_TOP)
    probes = _probes(top.inner("probes"))
    cells = _cells(top, probes)
    least, most = _blocks(top)
    return Suite(
        name=top.take("name", stem, str, "must be text"),
        title=top.take("title", "", str, "must be text"),
        probes=probes,
        cells=tuple(cells),
        secondary=frozenset(cell for cell, (primary, _) in cells.items() if not primary),
        limits={cell: limit for cell, (_, limit) in cells.items() if limit is not None},
        drivers=read_drivers(top),
        paths=_paths(top),
        published=read_published(top, probes, tuple(cells)),
        least=least,
        most=most,
        max_time=_max_time(top),
    )


def _blocks(top: TomlTable) -> tuple[int, int]:
    wanted = "must be a table such as {least = 6, most = 40}"
    bounds = {"least": LEAST_BLOCKS, "most": DEFAULT_MOST}
    given = top.take("blocks", {}, dict, wanted)
    for key in sorted(given.keys() - bounds.keys()):
        top.note("blocks", f"blocks: unknown key {key!r}; known: {', '.join(bounds)}")
    least, most = (given.get(key, usual) for key, usual in bounds.items())
    if not whole(LEAST_BLOCKS, MOST_BLOCKS)(most):
        span = f"from {LEAST_BLOCKS} to {MOST_BLOCKS}"
        top.note("blocks", f"blocks: most is a whole number {span}, not {most!r}")
    elif not whole(LEAST_BLOCKS, most)(least):
        span = f"from {LEAST_BLOCKS} to most, {most}"
        top.note("blocks", f"blocks: least is a whole number {span}, not {least!r}")
    return least, most


def _paths(top: TomlTable) -> tuple[TrafficPath, ...]:
    """Return the paths of one machine that a run takes where the user names none."""
    known = [path for path in TrafficPath if path is not TrafficPath.ACROSS]

    def right(given: object) -> bool:
        return (
            isinstance(given, list)
            and bool(given)
            and all(path in known for path in given)
            and len(set(given)) == len(given)
        )

    wanted = f"is a list of one or more of {', '.join(known)}"
    return tuple(TrafficPath(path) for path in top.take("paths", list(_BESIDE), right, wanted))


def _max_time(top: TomlTable) -> float | None:
    wanted = "is a number of seconds above 0"
    given = top.take("max_time", None, lambda v: v is None or is_positive(v), wanted)
    return None if given is None else float(given)


def _probes(table: TomlTable) -> dict[str, AnyProbe]:
    """Return every probe as configured, and those that are not as they are by themselves."""
    probes: dict[str, AnyProbe] = {}
    for name, values in table.values.items():
        kind = values.get(_KIND, name) if isinstance(values, dict) else name
        probe_class = PROBES.get(kind) if isinstance(kind, str) else None
        if probe_class is None:
            known = f"known: {', '.join(PROBES)}"
            table.note(name, f"unknown probe {kind!r}; {known} (or give its {_KIND!r})")
        elif not PROBE_NAME.fullmatch(name) or (name in PROBES and kind != name):
            table.note(name, f"{name!r} cannot be the name of a {kind} probe of the suite's own")
        elif probe := _probe(probe_class, table.inner(name)):
            probes[name] = probe
    return probes | {name: kind() for name, kind in PROBES.items() if name not in probes}


def _probe(probe_class: type[AnyProbe], table: TomlTable) -> AnyProbe | None:
    known = {field.name for field in fields(probe_class)}
    table.values = {key: value for key, value in table.values.items() if key != _KIND}
    table.check_keys(known)
    given = {key: value for key, value in table.values.items() if key in known}
    try:
        return probe_class(**given)
    except ConfigurationError as exc:
        for problem in exc.problems:
            key = next((key for key in given if f"`{key}`" in problem), "")
            table.note(key, problem.removeprefix(f"{probe_class.name}: "))
        return None


def _cells(
    top: TomlTable, probes: Mapping[str, AnyProbe]
) -> dict[tuple[str, Placement], tuple[bool, int | None]]:
    """Return whether the run is judged by each cell, and in how many blocks it runs at most."""
    found: dict[tuple[str, Placement], tuple[bool, int | None]] = {}
    if not top.values.get("cell"):
        top.note("cell", "a suite needs at least one [[cell]] with probe and placement")
    broken = [name for name in top.inner("probes").values if name not in probes]
    for table in top.tables("cell"):
        table.check_keys(_CELL)
        name = table.values.get("probe")
        if name not in broken:  # what is wrong with those has been noted where they stand
            name = table.one_of("probe", None, list(probes))
        placement = _placement(table, engine=name in probes and probes[name].of_engine)
        weight = _weight(table)
        if (name, placement) in found and table.right:
            table.note_repeated(f"{name} {placement}")
        if name in probes:
            found[name, placement] = weight
    return found


def _placement(table: TomlTable, *, engine: bool) -> Placement:
    """Return a cell's placement; `engine` where its trials are of the engine itself."""
    if engine:
        wanted = "is none: the engine's own work cannot be pinned"
        table.take("placement", Placement.NONE, [Placement.NONE].__contains__, wanted)
        return Placement.NONE
    return Placement(table.one_of("placement", Placement.CROSS, list(Placement)))


def _weight(table: TomlTable) -> tuple[bool, int | None]:
    primary = table.take("primary", True, bool, "is true or false")
    wanted = f"is a whole number from 1 to {MOST_BLOCKS}"
    limit = table.take("blocks", None, lambda v: v is None or whole(1, MOST_BLOCKS)(v), wanted)
    if limit is not None and primary:
        table.note("blocks", "blocks limits cells with primary = false; a verdict needs them all")
    return primary, limit
