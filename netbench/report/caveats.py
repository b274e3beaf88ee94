"""What limits a figure, as badges of a few words that stand beside it in every output."""

from dataclasses import dataclass
from typing import Final

from netbench.analysis.block_pairs import grouped
from netbench.analysis.cell_key import CellKey, plain
from netbench.analysis.digest_model import Digest, DriverView, WayView
from netbench.analysis.model import Analysis
from netbench.analysis.quality import MANY_RETRANSMITS
from netbench.drivers import Caveat
from netbench.record import RunInfo
from netbench.report.labels import joined, key_of
from netbench.report.sentences import declared_driver, fact
from netbench.spec import Path

ONE_MACHINE: Final = "one machine"


@dataclass(frozen=True)
class Badges:
    """The badges of a run, of its drivers, and of single figures."""

    info: RunInfo
    analysis: Analysis
    digest: Digest

    @property
    def of_run(self) -> tuple[str, ...]:
        """What limits all figures of the run: where it was measured, and by which TCP."""
        found = [ONE_MACHINE]
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
        cells = (c for c in self.analysis.cells if (c.driver, c.replica) == (driver, 0))
        counts = [
            cell.median
            for cell in cells
            if (key_of(cell), cell.metric) == (key, "retransmits") and metric == "throughput"
        ]
        return tuple(
            f"{count:,.0f} retransmits"
            for count in counts
            if count is not None and count >= MANY_RETRANSMITS
        )

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
