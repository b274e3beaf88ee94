"""Whether a real interface may be the parent of macvlan and ipvlan networks. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from netbench.record import EndpointFacts, Link

_CHILDREN: Final = ("macvlan", "macvtap", "ipvlan", "ipvtap")
"""Kinds of link that are themselves children of another."""
_UNFIT: Final = (*_CHILDREN, "bridge", "veth", "vxlan", "tun", "dummy", "wireguard")
"""Kinds of link that are not proposed: what they lead to is hardly the network that was meant."""
_DEFAULTS: Final = ("default", "::/0")
_WHY: Final = (
    "benchmarks do not belong on a network in use (RFC 6815), and a macvlan's parent goes "
    "promiscuous and shares its switch port with every child"
)
_ANYWAY: Final = "name an interface that nobody needs, or add --parent-in-use"


def parent_problems(
    host: EndpointFacts, name: str, *, in_use: bool, login: str | None
) -> list[str]:
    """Return everything that speaks against an interface as a parent, each as one sentence.

    Args:
        host: the engine's host.
        name: of the interface, as the user gave it.
        in_use: whether the user allows one that carries the host's own traffic.
        login: the host's address that the user is logged in by; None where it is not known.
    """
    link = host.link(name)
    if link is None:
        return [f"--parent {name}: the engine's host has no such interface; {_instead(host)}"]
    problems = [*_unfit(host, link)]
    if not in_use:
        problems += _in_use(host, link, login)
    return [f"--parent {name}: {problem}" for problem in problems]


def _unfit(host: EndpointFacts, link: Link) -> Iterator[str]:
    """Return why no child can be made of a link, or none that carries traffic."""
    if link.name == "lo":
        yield f"loopback leads to no other host and takes no children; {_instead(host)}"
        return
    if link.kind in _CHILDREN:
        above = host.by_index(link.parent) if link.peer_nsid is None else None
        better = f"name its own parent, {above.name}" if above else _instead(host)
        yield f"it is itself a {link.kind}, and children of a child are not made; {better}"
    if link.master is not None:
        master = host.link(link.master)
        kind = master.kind if master and master.kind else "link"
        yield (
            f"it is a port of the {kind} {link.master}, which takes every frame that arrives; "
            f"name {link.master}, or take the port out with `ip link set {link.name} nomaster`"
        )
    if not link.up:
        yield f"it is down, and so would be every child; `ip link set {link.name} up`"


def _in_use(host: EndpointFacts, link: Link, login: str | None) -> Iterator[str]:
    """Return what the host itself needs a link for."""
    default = [r for r in host.routes if r.link == link.name and r.destination in _DEFAULTS]
    if default:
        via = f" by {default[0].gateway}" if default[0].gateway else ""
        yield f"it carries the default route{via}: {_WHY}; {_ANYWAY}"
    if login is not None and _has(host, link, login):
        yield f"it has {login}, the address of your own login: {_WHY}; {_ANYWAY}"


def _has(host: EndpointFacts, link: Link, login: str) -> bool:
    try:
        wanted = ip_address(login.partition("%")[0])
    except ValueError:
        return False
    return any(a.link == link.name and ip_address(a.address) == wanted for a in host.addresses)


def _instead(host: EndpointFacts) -> str:
    """Return which interfaces could serve, in words."""
    serving = [
        link.name
        for link in host.links
        if link.kind not in _UNFIT
        and not any(_unfit(host, link))
        and not any(_in_use(host, link, None))
    ]
    if not serving:
        return "no other interface of it is up, free and unused"
    return f"these could serve: {', '.join(serving)}"
