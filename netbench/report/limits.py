"""The honest limits that apply to one run, in words."""

from netbench import units
from netbench.analysis.model import Analysis
from netbench.record import RunInfo
from netbench.report.sentences import fact
from netbench.report.views import Digest
from netbench.report.words import PLACEMENTS


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
    if "host" in info.plan.drivers and info.engine == "docker":
        rules = fact(info, "net.firewall_rules")
        count = f"{rules} rules here" if isinstance(rules, int) else "their number is not known"
        found.append(
            "host is not a machine without Docker: its lo passes the firewall hooks that the "
            f"engine set in its own namespace ({count}). container's lo passes none of them: a "
            "difference between the two is what those hooks cost."
        )
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
        found.append("Trials without a number stay in the records with their reasons.")
    seen = [PLACEMENTS[p] for p in dict.fromkeys(cell.placement for cell in info.plan.cells)]
    found.append(f"Nothing is said of placements other than: {', '.join(seen)}.")
    return (*found, *info.notes)
