"""The path of a trial's bytes as a drawing, from top to bottom: namespaces as boxes, links in them.

Plain SVG that reads without JavaScript, in print, and in light and dark (its colours are the
page's). Every text in it is escaped: names come from outside.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from netbench import units
from netbench.record import EndpointFacts, HopProof, Link
from netbench.report.sharing import by_role
from netbench.report.views import WayView
from netbench.report.words import TRIED, joined, plain
from netbench.spec import Path, Role

WIDTH: Final = 340
NODE: Final = 46
GAP: Final = 34
PAD: Final = 12
HEAD: Final = 30
BETWEEN: Final = 40
"""Between two namespaces."""


@dataclass(frozen=True, slots=True)
class Node:
    """A link in the drawing."""

    name: str
    detail: str
    arrow: str
    """Text beside the arrow that leads to it; empty for the first."""


@dataclass(frozen=True, slots=True)
class Box:
    """A namespace in the drawing."""

    title: str
    nodes: tuple[Node, ...]


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
        return _svg(_separate(record.endpoints, start), f"{way.key}: no path", linked=False)
    if record.path is None or not record.path.hops:
        return Markup("")
    boxes = _along(record.path.hops, record.endpoints)
    return _svg(boxes, f"Path of {way.key} from client to server", linked=True)


def _along(hops: tuple[HopProof, ...], endpoints: tuple[EndpointFacts, ...]) -> list[Box]:
    boxes = []
    first = True
    for namespace, group in groupby(hops, key=lambda hop: hop.namespace):
        nodes = []
        for hop in group:
            nodes.append(Node(hop.link, _detail(hop), "" if first else _arrow(hop)))
            first = False
        boxes.append(Box(_title(namespace, endpoints), tuple(nodes)))
    if len(hops) == 1:
        loop = f"{units.quantity(float(hops[0].moved), units.BYTES)} sent and received here"
        boxes[0] = Box(boxes[0].title, (*boxes[0].nodes, Node(hops[0].link, "the same link", loop)))
    return boxes


def _separate(endpoints: tuple[EndpointFacts, ...], start: Role) -> list[Box]:
    ends = by_role(endpoints)
    return [
        Box(
            _title(role.value, endpoints),
            tuple(Node(link.name, _apart(link), "") for link in end.links),
        )
        for role in (start, Role.SERVER)
        if (end := ends.get(role)) is not None
    ]


def _apart(link: Link) -> str:
    kind = "loopback" if link.name == "lo" else f"{link.kind or 'device'} {link.mode or ''}".strip()
    return f"{kind}, MTU {link.mtu}, nothing gets across"


def _title(namespace: str, endpoints: tuple[EndpointFacts, ...]) -> str:
    inodes = {end.role.value: end.namespaces.net for end in endpoints}
    inode = inodes.get(namespace)
    if inode is None:
        return f"{namespace}: network namespace not read"
    roles = [role for role, other in inodes.items() if other == inode]
    return f"{joined(roles)} · net:[{inode}]"


def _detail(hop: HopProof) -> str:
    kind = hop.kind or ("loopback" if hop.link == "lo" else "device")
    mode = f" {hop.mode}" if hop.mode else ""
    master = f", port of {hop.master}" if hop.master else ""
    return f"{kind}{mode}, MTU {hop.mtu}{master}"


def _arrow(hop: HopProof) -> str:
    if hop.counted == "none":
        return "forwards; the kernel counts nothing here"
    way = "received" if hop.counted == "rx" else "sent"
    return f"{units.quantity(float(hop.moved), units.BYTES)} {way}"


def _svg(boxes: list[Box], label: str, *, linked: bool) -> Markup:
    parts: list[Markup] = []
    arrows: list[Markup] = []
    y = 1
    for number, box in enumerate(boxes):
        if number:
            arrows.append(_between(box, y, linked=linked))
            y += BETWEEN
        height = HEAD + PAD + len(box.nodes) * NODE + (len(box.nodes) - 1) * GAP
        parts.append(_box(box, y, height, linked=linked))
        y += height
    return Markup(
        '<svg class="path" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        "{body}</svg>"
    ).format(width=WIDTH, height=y + 1, label=plain(label), body=Markup("").join(parts + arrows))


def _box(box: Box, y: int, height: int, *, linked: bool) -> Markup:
    parts = [
        Markup('<rect class="ns" x="1" y="{}" width="{}" height="{}" rx="8"/>').format(
            y, WIDTH - 2, height
        ),
        Markup('<text class="ns-title" x="{}" y="{}">{}</text>').format(
            PAD, y + 20, _cut(box.title, 46)
        ),
    ]
    at = y + HEAD
    for number, node in enumerate(box.nodes):
        if number and linked:
            parts.append(_arrow_down(at - GAP, GAP, node.arrow))
        parts.append(_node(node, at))
        at += NODE + GAP
    return Markup("").join(parts)


def _node(node: Node, y: int) -> Markup:
    return Markup(
        '<g><title>{full}</title><rect class="link" x="{x}" y="{y}" width="{w}" '
        'height="{h}" rx="5"/>'
        '<text class="link-name" x="{tx}" y="{ty}">{name}</text>'
        '<text class="link-detail" x="{tx}" y="{dy}">{detail}</text></g>'
    ).format(
        full=plain(node.name),
        x=PAD,
        y=y,
        w=WIDTH - 2 * PAD,
        h=NODE,
        tx=PAD + 12,
        ty=y + 19,
        dy=y + 36,
        name=_cut(node.name, 36),
        detail=_cut(node.detail, 48),
    )


def _between(box: Box, y: int, *, linked: bool) -> Markup:
    if linked:
        return _arrow_down(y - PAD, BETWEEN + PAD + HEAD, box.nodes[0].arrow)
    return Markup('<text class="apart" x="{}" y="{}">✕ no link between them</text>').format(
        PAD + 12, y + BETWEEN / 2 + 4
    )


def _arrow_down(y: int, height: int, text: str) -> Markup:
    x = WIDTH - 40
    return Markup(
        '<path class="arrow" d="M{x} {y}V{end}m-4 -6l4 6l4 -6"/>'
        '<text class="moved" x="{tx}" y="{ty}" text-anchor="end">{text}</text>'
    ).format(
        x=x, y=y, end=y + height - 1, tx=x - 10, ty=y + min(height, 46) / 2 + 4, text=plain(text)
    )


def _cut(text: str, most: int) -> str:
    clean = plain(text)
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"
