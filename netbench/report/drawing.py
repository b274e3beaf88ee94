"""The path of a trial's bytes as a drawing, from top to bottom: namespaces as boxes, links in them.

Plain SVG that reads without JavaScript, in print, and in light and dark (its colours are the
page's). Every text in it is escaped: names come from outside.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from netbench import units
from netbench.analysis.cell_key import TRIED, plain
from netbench.analysis.digest_model import WayView
from netbench.record import EndpointFacts, HopProof, Link
from netbench.report.labels import joined, shortened
from netbench.report.sharing import by_role
from netbench.spec import Path, Role

WHERE: Final = {Role.LAN.value: "LAN", Role.SANDBOX.value: "overlay"}
"""What a namespace is called where its role's name is not for readers."""
WIDTH: Final = 340
ARROW: Final = 208
"""Where the arrows run: between the title of a namespace and its inode."""
LINE: Final = 16
"""Between two lines of text of a link."""
TOP: Final = 20
"""From the upper edge of a link's box to its name."""
GAP: Final = 24
"""Between two links of one namespace."""
PAD: Final = 12
HEAD: Final = 32
BETWEEN: Final = 30
"""Between two namespaces."""


@dataclass(frozen=True, slots=True)
class Node:
    """A link in the drawing."""

    name: str
    lines: tuple[str, ...]
    """What it is, and what its counters say."""

    @property
    def height(self) -> int:
        """Pixels."""
        return TOP + LINE * len(self.lines) + 10


@dataclass(frozen=True, slots=True)
class Box:
    """A namespace in the drawing."""

    title: str
    inode: str
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
    return [
        Box(*_title(namespace, endpoints), tuple(_hop(hop, looped=len(hops) == 1) for hop in group))
        for namespace, group in groupby(hops, key=lambda hop: hop.namespace)
    ]


def _separate(endpoints: tuple[EndpointFacts, ...], start: Role) -> list[Box]:
    ends = by_role(endpoints)
    return [
        Box(
            *_title(role.value, endpoints),
            tuple(Node(link.name, (_apart(link), "nothing gets across")) for link in end.links),
        )
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


def _hop(hop: HopProof, *, looped: bool) -> Node:
    kind = hop.kind or ("loopback" if hop.link == "lo" else "device")
    parts = [f"{kind} {hop.mode}" if hop.mode else kind, f"MTU {hop.mtu}"]
    parts += [f"port of {hop.master}"] if hop.master else []
    return Node(hop.link, (", ".join(parts), _counted(hop, looped=looped)))


def _counted(hop: HopProof, *, looped: bool) -> str:
    if hop.counted == "none":
        return "forwards; the kernel counts nothing here"
    moved = units.quantity(float(hop.moved), units.BYTES)
    if looped:
        return f"{moved} sent and received here, by one link"
    there, back = ("received", "sent") if hop.counted == "rx" else ("sent", "received")
    answer = f", {units.quantity(float(hop.back), units.BYTES)} {back}" if hop.back else ""
    return f"{moved} {there}{answer}"


def _svg(boxes: list[Box], label: str, *, linked: bool) -> Markup:
    parts: list[Markup] = []
    arrows: list[Markup] = []
    y = 1
    for number, box in enumerate(boxes):
        if number:
            arrows.append(_between(y, linked=linked))
            y += BETWEEN
        height = HEAD + PAD + sum(node.height for node in box.nodes)
        height += GAP * (len(box.nodes) - 1)
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
        Markup(
            '<text class="ns-title" x="{}" y="{y}">{}</text>'
            '<text class="ns-inode" x="{}" y="{y}" text-anchor="end">{}</text>'
        ).format(PAD, shortened(plain(box.title), 26), WIDTH - PAD, box.inode, y=y + 21),
    ]
    at = y + HEAD
    for number, node in enumerate(box.nodes):
        if number and linked:
            parts.append(_arrow(at - GAP, GAP))
        parts.append(_node(node, at))
        at += node.height + GAP
    return Markup("").join(parts)


def _node(node: Node, y: int) -> Markup:
    lines = Markup("").join(
        Markup('<text class="link-detail" x="{}" y="{}">{}</text>').format(
            PAD + 14, y + TOP + LINE * number + 1, shortened(plain(line), 50)
        )
        for number, line in enumerate(node.lines, 1)
    )
    return Markup(
        '<g><title>{full}</title><rect class="link" x="{x}" y="{y}" width="{w}" '
        'height="{h}" rx="5"/>'
        '<text class="link-name" x="{tx}" y="{ty}">{name}</text>{lines}</g>'
    ).format(
        full=plain(" ".join((node.name, *node.lines))),
        x=PAD,
        y=y,
        w=WIDTH - 2 * PAD,
        h=node.height,
        tx=PAD + 14,
        ty=y + TOP,
        name=shortened(plain(node.name), 36),
        lines=lines,
    )


def _between(y: int, *, linked: bool) -> Markup:
    if linked:
        return _arrow(y - PAD, BETWEEN + PAD + HEAD)
    return Markup('<text class="apart" x="{}" y="{}">✕ no link between them</text>').format(
        PAD + 14, y + BETWEEN / 2 + 4
    )


def _arrow(y: int, height: int) -> Markup:
    """Return an arrow down, whose head touches the next link."""
    return Markup('<path class="arrow" d="M{x} {y}V{end}m-5 -7l5 7l5 -7"/>').format(
        x=ARROW, y=y, end=y + height - 1
    )
