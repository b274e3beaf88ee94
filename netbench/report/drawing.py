"""The path of each driver as a drawing, from top to bottom.

Namespaces are boxes, links lie in them. The drawing is plain SVG that reads without JavaScript, in
print, and in light and dark (its colours are the page's).
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from netbench import units
from netbench.analysis.cell_key import TRIED
from netbench.analysis.digest_model import WayView
from netbench.record import EndpointFacts, HopProof, Link
from netbench.report.conditions import fact_text
from netbench.report.html_env import environment
from netbench.report.labels import joined
from netbench.report.sharing import by_role
from netbench.spec import Path, Role

WHERE: Final = {Role.LAN.value: "LAN", Role.SANDBOX.value: "overlay"}
"""What a namespace is called where its role's name is not for readers."""
NODE: Final = 62  # height of a link's box, pixels
GAP: Final = 24  # between two links of one namespace
PAD: Final = 12
HEAD: Final = 32
BETWEEN: Final = 30  # between two namespaces


@dataclass(frozen=True, slots=True)
class LinkBox:
    """A link in the drawing."""

    y: int
    name: str
    lines: tuple[str, str]  # what it is, and what its counters say


@dataclass(frozen=True, slots=True)
class NamespaceBox:
    """A namespace in the drawing."""

    y: int
    height: int
    title: str
    inode: str
    links: tuple[LinkBox, ...]


_Links = list[tuple[str, tuple[str, str]]]  # names and lines of the links of a namespace


def published(way: WayView) -> str:
    """Return how the published port was served, with the evidence; empty where none was."""
    facts = dict(way.example.facts) if way.example else {}
    via, evidence = (facts.get(f"trial.published_{name}") for name in ("via", "evidence"))
    return f"{fact_text(via)}: {fact_text(evidence)}" if via is not None else ""


@dataclass(frozen=True, slots=True)
class StripBox:
    """A namespace in a line: whose it is, and its links in order."""

    title: str
    links: tuple[tuple[str, str], ...]  # name, and what it is


def strip(way: WayView) -> tuple[StripBox, ...]:
    """Return one path in a line of boxes, from client to server; empty where none was seen.

    Of a closed path the boxes are its two ends, each with its last link, and nothing between.
    """
    record = way.example
    if record is None or not record.endpoints:
        return ()
    if record.path is not None and record.path.hops and way.closed is None:
        hops = [(hop.namespace, (hop.link, _short(hop))) for hop in record.path.hops]
        grouped_hops = groupby(hops, key=lambda hop: hop[0])
        found = [(namespace, [link for _, link in own]) for namespace, own in grouped_hops]
    elif way.closed is not None:
        start = Role.LAN if way.path == Path.NORTH_SOUTH else Role.CLIENT
        ends = _separate(record.endpoints, start)
        found = [(where, [(name, "") for name, _ in links][-1:]) for where, links in ends]
    else:
        return ()
    return tuple(
        StripBox(_title(namespace, record.endpoints)[0], tuple(links)) for namespace, links in found
    )


def _short(hop: HopProof) -> str:
    """Return what a link is where its name does not say it: `macvlan bridge`, `MTU 65536`."""
    if hop.link == "lo":
        return f"MTU {hop.mtu}"
    kind = hop.kind or "device"
    return f"{'' if hop.link.startswith(kind) else kind} {hop.mode or ''}".strip()


def drawing(way: WayView) -> Markup:
    """Return the drawing of one path of a driver.

    Empty where no endpoint was read, and where a path is closed without anything being tried.
    """
    record = way.example
    if record is None or not record.endpoints:
        return Markup("")
    if way.closed is not None and not way.closed.evidence.startswith(TRIED):
        return Markup("")
    if way.closed is not None:
        start = Role.LAN if way.path == Path.NORTH_SOUTH else Role.CLIENT
        ends = _separate(record.endpoints, start)
        return _svg(ends, record.endpoints, f"{way.key}: no path", linked=False)
    if record.path is None or not record.path.hops:
        return Markup("")
    label = f"Path of {way.key} from client to server"
    return _svg(_along(record.path.hops), record.endpoints, label, linked=True)


def _along(hops: tuple[HopProof, ...]) -> list[tuple[str, _Links]]:
    looped = len(hops) == 1
    return [
        (namespace, [(hop.link, _hop(hop, looped=looped)) for hop in group])
        for namespace, group in groupby(hops, key=lambda hop: hop.namespace)
    ]


def _separate(endpoints: tuple[EndpointFacts, ...], start: Role) -> list[tuple[str, _Links]]:
    ends = by_role(endpoints)
    return [
        (role.value, [(link.name, (_apart(link), "nothing gets across")) for link in end.links])
        for role in (start, Role.SERVER)
        if (end := ends.get(role)) is not None
    ]


def _apart(link: Link) -> str:
    kind = "loopback" if link.name == "lo" else f"{link.kind or 'device'} {link.mode or ''}".strip()
    return f"{kind}, MTU {link.mtu}"


def _title(namespace: str, endpoints: tuple[EndpointFacts, ...]) -> tuple[str, str]:
    """Return whose namespace it is, and its inode."""
    inodes = {end.role.value: end.namespaces.net for end in endpoints}
    inode = inodes.get(namespace)
    if inode is None:
        return WHERE.get(namespace, namespace), "inode not read"
    roles = [WHERE.get(role, role) for role, other in inodes.items() if other == inode]
    return joined(roles), f"net:[{inode}]"


def _hop(hop: HopProof, *, looped: bool) -> tuple[str, str]:
    kind = hop.kind or ("loopback" if hop.link == "lo" else "device")
    parts = [f"{kind} {hop.mode}" if hop.mode else kind, f"MTU {hop.mtu}"]
    parts += [f"port of {hop.master}"] if hop.master else []
    return ", ".join(parts), _counted(hop, looped=looped)


def _counted(hop: HopProof, *, looped: bool) -> str:
    if hop.counted == "none":
        return "forwards; the kernel counts nothing here"
    moved = units.quantity(float(hop.moved), units.BYTES)
    if looped:
        return f"{moved} sent and received here, by one link"
    there, back = ("received", "sent") if hop.counted == "rx" else ("sent", "received")
    answer = f", {units.quantity(float(hop.back), units.BYTES)} {back}" if hop.back else ""
    return f"{moved} {there}{answer}"


def _svg(
    found: list[tuple[str, _Links]],
    endpoints: tuple[EndpointFacts, ...],
    label: str,
    *,
    linked: bool,
) -> Markup:
    boxes: list[NamespaceBox] = []
    y = 1
    for namespace, links in found:
        tops = range(y + HEAD, y + HEAD + len(links) * (NODE + GAP), NODE + GAP)
        height = HEAD + len(links) * (NODE + GAP) - GAP + PAD
        own = tuple(LinkBox(top, *link) for top, link in zip(tops, links, strict=True))
        boxes.append(NamespaceBox(y, height, *_title(namespace, endpoints), own))
        y += height + BETWEEN
    arrows = [(link.y - GAP, GAP) for box in boxes for link in box.links[1:]]
    arrows += [(box.y - BETWEEN - PAD, BETWEEN + PAD + HEAD) for box in boxes[1:]]
    template = environment().get_template("path.svg.j2")
    drawn = template.render(
        boxes=boxes,
        label=label,
        arrows=arrows if linked else (),
        apart=() if linked else [box.y - BETWEEN / 2 + 4 for box in boxes[1:]],
        height=y - BETWEEN + 1,
    )
    return Markup(drawn)  # noqa: S704 - a template escaped it
