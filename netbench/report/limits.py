"""The honest limits that apply to one run, in words."""

from netbench import units
from netbench.analysis.cell_key import PLACEMENTS
from netbench.analysis.digest_model import Digest, DriverView
from netbench.analysis.model import Analysis
from netbench.drivers import DRIVERS, full_name
from netbench.record import RunInfo
from netbench.report.engine_host import conditions
from netbench.report.labels import joined
from netbench.report.sentences import fact
from netbench.spec import Path


def limits(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[str, ...]:
    """Return the limits that apply to this run."""
    found = [
        "The tools share the machine with what they measure; nothing here crossed a network card."
    ]
    found += [f"{joined(names)}: {text}" for text, names in _caveats(info, digest).items()]
    if any(cell.path is Path.NORTH_SOUTH for cell in info.plan.cells):
        found.append(
            "north-south: the LAN is a namespace on this machine, joined to the engine's host by a "
            "veth pair; a real one adds its cards, cables and switches to every driver alike."
        )
    rules = fact(info, "net.firewall_rules")
    if "host" in info.plan.drivers and rules != 0:
        count = f"{rules} rules here" if isinstance(rules, int) else "their number is not known"
        found.append(
            "host is not a machine without containers: its lo passes the firewall hooks that the "
            f"engine set in its own namespace ({count}). container's lo passes none of them: a "
            "difference between the two is what those hooks cost."
        )
    found += [condition.long for condition in conditions(info)]
    if fact(info, "host.hypervisor") is True:
        found.append(
            "This is a virtual machine: waking a second virtual CPU costs tens of microseconds "
            "and hides the driver in round trips on two cores; the hypervisor's share of the work "
            "is invisible."
        )
    if analysis.measuring_share is not None:
        found.append(
            f"{analysis.measuring_share * 100:.0f} % of the run's time was measuring"
            + (f" ({units.duration(info.wall)} in all)." if info.wall is not None else ".")
        )
    if digest.problems:
        found.append("What gave no number stays in the records with its reason.")
    seen = [PLACEMENTS[p] for p in dict.fromkeys(cell.placement for cell in info.plan.cells)]
    found.append(f"Nothing is said of placements other than: {', '.join(seen)}.")
    return (*found, *info.notes)


def _caveats(info: RunInfo, digest: Digest) -> dict[str, list[str]]:
    """Return the texts of the drivers' own caveats that apply, with the drivers of each."""
    found: dict[str, list[str]] = {}
    for name in info.plan.drivers:
        driver, view = DRIVERS.get(full_name(name.partition("@")[0])), digest.view(name)
        for caveat in driver.caveats if driver is not None else ():
            if view is None or not _carried(view, caveat.unless_kind):
                found.setdefault(caveat.text, []).append(name)
    return found


def _carried(view: DriverView, kind: str) -> bool:
    """Tell whether a counted link of this kind is part of a proved path."""
    paths = [way.example.path for way in view.ways if way.example and way.example.path]
    return any(hop.kind == kind and hop.counted != "none" for path in paths for hop in path.hops)
