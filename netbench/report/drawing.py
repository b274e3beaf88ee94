"""The path of each driver as SVG: links in the boxes of their namespaces, from top to bottom."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup

from netbench import units
from netbench.analysis.cell_key import TRIED
from netbench.analysis.digest_model import WayView
from netbench.record import EndpointFacts, HopProof, Link
from netbench.report.html_env import environment
from netbench.report.labels import joined
from netbench.report.sharing import by_role
from netbench.spec import Path, Role

WHERE: Final = {
    Role.LAN.value: "LAN",
    Role.SANDBOX.value: "overlay",
    Role.CLIENT_SANDBOX.value: "overlay on the client's machine",
}
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


_Namespaces = list[tuple[str, list[tuple[str, HopProof | Link]]]]
"""Namespaces of a path in order, each with its links by name."""


def strip(way: WayView) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return namespaces from client to server with their links; of a closed path its two ends."""
    endpoints = way.example.endpoints if way.example else ()
    return [
        (
            _title(namespace, endpoints)[0],
            [(name, _short(link)) for name, link in (links[-1:] if way.closed else links)],
        )
        for namespace, links in _namespaces(way)
    ]


def _namespaces(way: WayView) -> _Namespaces:
    """Return the hops of a path, or of a closed one the links of both ends."""
    record = way.example
    if record is None or not record.endpoints:
        return []
    if way.closed is None:
        hops = record.path.hops if record.path is not None else ()
        found = groupby(hops, key=lambda hop: hop.namespace)
        return [(namespace, [(hop.link, hop) for hop in own]) for namespace, own in found]
    ends = by_role(record.endpoints)
    starts = {Path.NORTH_SOUTH.value: Role.LAN, Path.OUTSIDE.value: Role.MACHINE}
    start = starts.get(way.path, Role.CLIENT)
    return [
        (role.value, [(link.name, link) for link in ends[role].links])
        for role in (start, Role.SERVER)
        if role in ends
    ]


def _short(hop: HopProof | Link) -> str:
    """Return what a link is where its name does not say it: `macvlan bridge`, `MTU 65536`."""
    if isinstance(hop, Link):
        return ""
    if hop.link == "lo":
        return f"MTU {hop.mtu}"
    kind = hop.kind or "device"
    return f"{'' if hop.link.startswith(kind) else kind} {hop.mode or ''}".strip()


def drawing(way: WayView) -> Markup:
    """Return the drawing of one path; empty where nothing was read, or a closed one not tried."""
    found = _namespaces(way)
    if not found or (way.closed is not None and not way.closed.evidence.startswith(TRIED)):
        return Markup("")
    endpoints = way.example.endpoints if way.example else ()
    looped = sum(len(links) for _, links in found) == 1
    boxes: list[NamespaceBox] = []
    y = 1
    for namespace, links in found:
        tops = range(y + HEAD, y + HEAD + len(links) * (NODE + GAP), NODE + GAP)
        height = HEAD + len(links) * (NODE + GAP) - GAP + PAD
        own = tuple(
            LinkBox(top, name, _lines(link, looped=looped))
            for top, (name, link) in zip(tops, links, strict=True)
        )
        boxes.append(NamespaceBox(y, height, *_title(namespace, endpoints), own))
        y += height + BETWEEN
    arrows = [(link.y - GAP, GAP) for box in boxes for link in box.links[1:]]
    arrows += [(box.y - BETWEEN - PAD, BETWEEN + PAD + HEAD) for box in boxes[1:]]
    along = f"Path of {way.key} from client to server"
    template = environment().get_template("path.svg.j2")
    text = template.render(
        boxes=boxes,
        label=f"{way.key}: no path" if way.closed else along,
        arrows=() if way.closed else arrows,
        apart=[box.y - BETWEEN / 2 + 4 for box in boxes[1:]] if way.closed else (),
        height=y - BETWEEN + 1,
    )
    return Markup(text)  # noqa: S704 - a template escaped it


def _title(namespace: str, endpoints: tuple[EndpointFacts, ...]) -> tuple[str, str]:
    """Return whose namespace it is, and its inode."""
    inodes = {end.role.value: (end.node, end.namespaces.net) for end in endpoints}
    _, number = inode = inodes.get(namespace, (None, None))
    if number is None:
        return WHERE.get(namespace, namespace), "inode not read"
    roles = [WHERE.get(role, role) for role, other in inodes.items() if other == inode]
    return joined(roles), f"net:[{number}]"


def _lines(hop: HopProof | Link, *, looped: bool) -> tuple[str, str]:
    if isinstance(hop, Link):
        kind = f"{hop.kind or 'device'} {hop.mode or ''}".strip()
        kind = "loopback" if hop.name == "lo" else kind
        return f"{kind}, MTU {hop.mtu}", "nothing gets across"
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
