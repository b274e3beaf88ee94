"""The conditions under which a run's figures hold, and badges: the same in a few words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from netbench import units
from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import PLACEMENTS, CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis
from netbench.analysis.quality import MANY_RETRANSMITS
from netbench.drivers import Caveat
from netbench.facts.registry import PEER, declared
from netbench.record import Absent, FactValue, RunInfo
from netbench.report.labels import cell_of, counted, joined
from netbench.report.sentences import declared_driver, fact
from netbench.spec import MACHINE_PATHS, VXLAN_HEADERS, Path

ONE_MACHINE: Final = "one machine"
_MACHINES: Final = {None: ONE_MACHINE, 1: "two engines on one kernel", 2: "two machines"}
"""What a run was measured on, by the kernels that were beneath two engines."""
_TOLD: Final = ("host.cpu_model", "host.cpus", "kernel.release", "engine.name", "engine.version")
"""Facts in which two machines differ so that a reader must know."""
_MINUTE: Final = 60
_COUNTED_BYTES: Final = 100_000  # below it every byte is shown
_ROOTLESS: Final = {
    "docker": "its host, and so the driver host, is a network namespace of its own, not the "
    "machine's",
    "podman": "its bridges are in a network namespace of its own, not the machine's, which is "
    "that of the driver host",
}
"""By engine, where its drivers' links are."""
_NO_NETWORK: Final = "a user-mode network that the engine does not name"


def host_text(info: RunInfo) -> str:
    """Return name, processor and kind of the host, as far as they were read."""
    cpus = fact(info, "host.cpus")
    parts = [
        fact_text(value)
        for value in (fact(info, "host.name"), fact(info, "host.cpu_model"))
        if isinstance(value, str)
    ]
    parts += [f"{cpus} CPUs"] if isinstance(cpus, int) else []
    parts += ["virtual machine"] if fact(info, "host.hypervisor") is True else []
    return ", ".join(parts) or "not read"


def kernel_text(info: RunInfo) -> str:
    """Return the kernel's release."""
    return fact_text(fact(info, "kernel.release"))


def engine_named(info: RunInfo) -> str:
    """Return the engine with its version, or what it says of itself where it has none."""
    version, name = fact(info, "engine.version"), fact(info, "engine.name")
    rootless = ["rootless"] if fact(info, "engine.rootless") is True else []
    named = [*rootless, name if isinstance(name, str) else info.engine]
    return plain(" ".join([*named, version] if isinstance(version, str) else named))


def where(info: RunInfo, digest: Digest) -> str:
    """Return when and where a run was measured, and by what, on one line."""
    parts = [f"Run {info.id}", info.created, host_text(info), f"kernel {kernel_text(info)}"]
    parts += [engine_named(info), f"netbench {info.version}", counted(digest.total, "record")]
    parts += [f"seed {info.plan.seed}"]
    parts += [f"status {info.status}"] if info.status != "complete" else []
    return " · ".join(parts)


def fact_text(value: FactValue | None, unit: str = "") -> str:
    """Return a fact for people."""
    match value:
        case None:
            return units.MISSING
        case Absent():
            return f"not read: {plain(value.reason)}"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(plain(part) for part in value)
        case int() | float():
            return _number(value, unit)
        case str():
            return _words(value, unit)


def _words(value: str, unit: str) -> str:
    """Return a text; of one that is a list of quantities, each as people write it."""
    parts = value.split() if unit else []
    if parts and all(part.isdecimal() for part in parts):
        return ", ".join(_number(int(part), unit) for part in parts)
    return plain(value)


def _number(value: float, unit: str) -> str:
    if unit == units.SECONDS and value >= _MINUTE:
        return units.duration(value)
    if unit == units.BYTES and abs(value) < _COUNTED_BYTES:
        return f"{value:,.0f} {unit}"  # an MTU of 1504 is not one of 1500
    if unit == units.RATIO:
        return f"{units.digits(float(f'{value * 100:.6g}'))} %"
    if unit == units.CPUS:
        return f"{units.significant(value)} CPUs"
    if unit:
        return units.quantity(value, unit)
    return units.digits(value if isinstance(value, int) else float(f"{value:.6g}"))


def environment(info: RunInfo) -> tuple[tuple[str, str, str], ...]:
    """Return (name, value, meaning) of every fact of the run that was read."""
    return tuple(
        (name, fact_text(value, known.unit if known else ""), known.meaning if known else "")
        for name, value, known in ((name, value, declared(name)) for name, value in info.facts)
        if not isinstance(value, Absent)
    )


def unread(info: RunInfo) -> tuple[tuple[str, str], ...]:
    """Return why facts of the run are absent, each reason once with the names of its facts."""
    absent = ((name, value) for name, value in info.facts if isinstance(value, Absent))
    found = grouped((value.reason, name) for name, value in absent)
    return tuple((plain(reason), plain(joined(names))) for reason, names in found.items())


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing about the engine that a reader must know."""

    short: str  # a few words, for the stamp
    long: str  # a sentence or two, for the limits


def conditions(info: RunInfo) -> Iterator[Condition]:
    """Yield what is special about the engine of a run."""
    desktop = fact(info, "engine.desktop")
    if isinstance(desktop, str):
        yield Condition(
            f"the engine's host is a VM ({plain(desktop)})",
            f"The engine's host is a VM of {plain(desktop)}: its host namespace, its links and its "
            "CPUs are those of that machine, and a published port passes the product's own proxy "
            "before it reaches this one.",
        )
    if fact(info, "engine.rootless") is True and fact(info, "engine.name") in _ROOTLESS:
        yield _rootless(info)
    if fact(info, "engine.local") is False:
        yield Condition(
            "the engine's processes are not this machine's",
            "The engine's processes are not those of the machine that netbench ran on: facts, "
            "counters, CPU time and the sentinel are those of the engine's machine, read there "
            "through the engine. The sentinel there is two `dd` and a pipe: compare its readings "
            "with none of another machine.",
        )


def _rootless(info: RunInfo) -> Condition:
    network, ports = (fact(info, f"engine.{name}") for name in ("rootless_network", "port_driver"))
    between = plain(network) if isinstance(network, str) else _NO_NETWORK
    crossed = {cell.path for cell in info.plan.cells} & {*MACHINE_PATHS}
    by = f"; published ports are passed on by {plain(ports)}" if isinstance(ports, str) else ""
    return Condition(
        f"the engine is rootless, behind {between}",
        f"The engine is rootless: {_ROOTLESS[str(fact(info, 'engine.name'))]}. Between the two "
        f"lies {between}{by if crossed else '; no path that was measured crosses it'}.",
    )


def machines(info: RunInfo) -> str:
    """Return on how many machines a run was measured, in words."""
    found = fact(info, "nodes.kernels")
    return _MACHINES[found if isinstance(found, int) and found in _MACHINES else None]


def _unlike(info: RunInfo) -> Iterator[Condition]:
    """Yield in what the two machines of a run differ."""
    facts = dict(info.facts)
    differ = [
        f"{name} {fact_text(facts.get(name))} and {fact_text(facts[peer])}"
        for name in _TOLD
        if (peer := f"{PEER}{name}") in facts and facts[peer] != facts.get(name)
    ]
    if differ:
        yield Condition(
            "the machines differ",
            f"The two machines differ: {'; '.join(differ)}. Clients and servers change places with "
            "every block, so that neither machine's character is taken for a driver's.",
        )


def _narrow(info: RunInfo, digest: Digest) -> Iterator[Condition]:
    """Yield that what lies between two machines carries less than an overlay's packets need."""
    carried = fact(info, "nodes.path_mtu")
    if not isinstance(carried, int):
        return
    for view in digest.drivers:
        ends = view.example.endpoints if view.example else ()
        sizes = [link.mtu for end in ends for link in end.links if link.name == "eth0"]
        spans = view.driver.partition("@")[0] == "overlay"
        if spans and sizes and max(sizes) + VXLAN_HEADERS > carried:
            yield Condition(
                f"{plain(view.driver)}: MTU too large for the wire",
                f"{plain(view.driver)} has an MTU of {max(sizes)} and needs {VXLAN_HEADERS} more "
                f"for VXLAN, and what lies between the machines carries {carried}: larger packets "
                "are dropped or cut there (-o com.docker.network.driver.mtu).",
            )


def _between(info: RunInfo) -> str:
    """Return what lay between client and server, and what shared their machines."""
    if machines(info) == _MACHINES[2]:
        return (
            "Client and server were on two machines and changed places with every block; the "
            "tools share those machines with what they measure."
        )
    if machines(info) == _MACHINES[1]:
        return (
            "Both engines were on one kernel, joined by a link of its own. This run proves paths "
            "and promises between two engines; its figures are none of two machines or of a wire."
        )
    return (
        "The tools share the machine with what they measure; nothing here crossed a network card."
    )


def limits(info: RunInfo, analysis: Analysis, digest: Digest) -> Iterator[str]:
    """Yield the limits that apply to this run."""
    yield _between(info)
    apply = grouped(
        (caveat.text, driver)
        for driver in info.plan.drivers
        for caveat in caveats(driver, digest.view(driver))
    )
    yield from (f"{joined(names)}: {text}" for text, names in apply.items())
    if any(cell.path is Path.NORTH_SOUTH for cell in info.plan.cells):
        yield (
            "north-south: the LAN is a namespace on this machine, joined to the engine's host by a "
            "veth pair; a real one adds its cards, cables and switches to every driver alike."
        )
    rules = fact(info, "net.firewall_rules")
    if "host" in info.plan.drivers and rules != 0:
        count = f"{rules} rules here" if isinstance(rules, int) else "their number is not known"
        beside = ", which container's lo does not" if "container" in info.plan.drivers else ""
        across = any(cell.path is Path.ACROSS for cell in info.plan.cells)
        yield (
            f"host is not a machine without containers: its {'traffic' if across else 'lo'} passes "
            f"the firewall hooks that the engine set in its namespace ({count})"
            f"{'' if across else beside}."
        )
    found = (*conditions(info), *_unlike(info), *_narrow(info, digest))
    yield from (condition.long for condition in found)
    if fact(info, "host.hypervisor") is True:
        yield (
            "This is a virtual machine: the hypervisor's share of the work is invisible, and a "
            "round trip on two cores contains what waking another virtual CPU takes."
        )
    if analysis.measuring_share is not None:
        yield (
            f"{analysis.measuring_share * 100:.0f} % of the run's time was measuring"
            + (f" ({units.duration(info.wall)} in all)." if info.wall is not None else ".")
        )
    if digest.problems:
        yield "What gave no number stays in the records with its reason."
    seen = [PLACEMENTS[p] for p in dict.fromkeys(cell.placement for cell in info.plan.cells)]
    yield f"Nothing is said of placements other than: {', '.join(seen)}."
    yield from info.notes


@dataclass(frozen=True)
class Badges:
    """The badges of a run, of its drivers, and of single figures."""

    info: RunInfo
    analysis: Analysis
    digest: Digest

    @property
    def of_run(self) -> tuple[str, ...]:
        """What limits all figures of the run: where it was measured, and by which TCP."""
        found = [machines(self.info)]
        found += ["virtual machine"] if fact(self.info, "host.hypervisor") is True else []
        used = self._congestion_control()
        found += [f"congestion control {names}" for names in used if len(used) == 1]
        return tuple(found)

    def of_driver(self, driver: str, path: str = Path.EAST_WEST) -> tuple[str, ...]:
        """What limits all figures of a driver on one path; its own caveats are of east-west."""
        between = path == Path.EAST_WEST
        own = caveats(driver, self.digest.view(driver)) if between else ()
        found = [caveat.badge for caveat in own]
        used = self._congestion_control()
        if len(used) > 1:
            found += [f"congestion control {names}" for names, of in used.items() if driver in of]
        return tuple(found)

    def of_figure(self, driver: str, key: CellKey, metric: str) -> tuple[str, ...]:
        """What limits one figure: segments that TCP had to send again."""
        cell = cell_of(self.analysis, driver, key, "retransmits")
        count = cell.median if cell is not None and metric == "throughput" else None
        many = count is not None and count >= MANY_RETRANSMITS
        return (f"{count:,.0f} retransmits",) if many else ()

    def lines(self) -> tuple[str, ...]:
        """All of them in sentences, those of the run first: `overlay: VXLAN not crossed`."""
        several = len({cell.path for cell in self.info.plan.cells}) > 1
        where = "between containers, " if several else ""
        own = [(self.of_driver(driver), driver) for driver in self.info.plan.drivers]
        shared = grouped((badge, driver) for badges, driver in own for badge in badges)
        drivers = grouped((tuple(names), badge) for badge, names in shared.items())
        said = [
            f"{where}{plain(joined(names))}: {', '.join(badges)}"
            for names, badges in drivers.items()
        ]
        return (", ".join(self.of_run), *said)

    def _congestion_control(self) -> dict[str, list[str]]:
        """Return the drivers by the congestion control that their TCP used."""
        return grouped(
            (plain(joined(view.congestion_control)), view.driver)
            for view in self.digest.drivers
            if view.congestion_control
        )


def caveats(driver: str, view: DriverView | None) -> tuple[Caveat, ...]:
    """Return a driver's own caveats that apply to what was measured between containers."""
    known = declared_driver(driver)
    ways = view.ways if view is not None else ()
    between = [way for way in ways if way.path == Path.EAST_WEST and way.held + way.unheld]
    if known is None or not between:
        return ()
    return tuple(c for c in known.caveats if not _carried(between[0], c.unless_kind))


def _carried(way: WayView, kind: str) -> bool:
    """Return whether a counted link of this kind is part of a proved path."""
    hops = way.example.path.hops if way.example and way.example.path else ()
    return any(hop.kind == kind and hop.counted != "none" for hop in hops)
