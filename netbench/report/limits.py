"""The honest limits that apply to one run, in words."""

from netbench import units
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.engine_host import conditions
from netbench.report.sentences import fact
from netbench.analysis.digest_model import Digest, DriverView
from netbench.report.words import joined
from netbench.analysis.cell_key import PLACEMENTS
from netbench.spec import Path


def limits(info: RunInfo, analysis: Analysis, digest: Digest) -> tuple[str, ...]:
    """Return the limits that apply to this run."""
    found = [
        "The tools share the machine with what they measure; nothing here crossed a network card."
    ]
    local = [d for d in ("host", "container") if d in info.plan.drivers]
    if local:
        found.append(
            f"{' and '.join(local)}: on one machine this traffic takes lo (MTU 65536, no queueing "
            "discipline), which a client on another machine would not."
        )
    found += _paths(info, digest)
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


def _paths(info: RunInfo, digest: Digest) -> list[str]:
    """Return what a reader must know of the paths that were measured."""
    found = []
    children = [d for d in info.plan.drivers if d.startswith(("macvlan", "ipvlan"))]
    if children:
        found.append(
            f"{joined(children)}: from container to container the kernel hands frames over beneath "
            "the parent, so no network card, switch or port security was involved."
        )
    if any(cell.path is Path.NORTH_SOUTH for cell in info.plan.cells):
        found.append(
            "north-south: the LAN is a namespace on this machine, joined to the engine's host by a "
            "veth pair; a real one adds its cards, cables and switches to every driver alike."
        )
    found += [
        f"{view.driver}: VXLAN not crossed. Both ends were on one node, where an overlay is a "
        "bridge; between nodes each frame is wrapped, sent and unwrapped as well."
        for view in digest.drivers
        if view.driver.startswith("overlay") and not _tunnelled(view)
    ]
    return found


def _tunnelled(view: DriverView) -> bool:
    """Tell whether a counted link of a proved path was a VXLAN."""
    paths = [way.example.path for way in view.ways if way.example and way.example.path]
    return any(h.kind == "vxlan" and h.counted != "none" for path in paths for h in path.hops)
