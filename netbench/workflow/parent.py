"""`--parent`: the link that the user names, looked at before anything is put beneath it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from netbench.engines.base import Engine
from netbench.errors import ConfigurationError, FactError
from netbench.facts.base import Pair
from netbench.record import EndpointFacts, Link
from netbench.spec import Role
from netbench.topology.paths import choose_reader, namespaces_of

_CHILDREN: Final = ("macvlan", "macvtap", "ipvlan", "ipvtap")
"""Kinds of link that are themselves children of another."""
_NOT_PROPOSED: Final = (*_CHILDREN, "bridge", "veth", "vxlan", "tun", "dummy", "wireguard")
"""Kinds of link that hardly lead to the network that was meant."""
_DEFAULTS: Final = ("default", "::/0")
_WHY: Final = (
    "benchmarks do not belong on a network in use (RFC 6815), and a macvlan's parent goes "
    "promiscuous and shares its switch port with every child"
)
_ANYWAY: Final = "name an interface that nobody needs, or add --parent-in-use"


def check_parent(engine: Engine, name: str | None, *, in_use: bool) -> None:
    """Refuse a parent that cannot serve, or should not; quietly nothing where none is named.

    The engine is prepared by then: the link is its host's, which may be another machine than ours.

    Raises:
        ConfigurationError: with everything that speaks against the link.
        FactError: the host's links cannot be read.
    """
    if name is None:
        return
    login = _login() if engine.local else None
    problems = parent_problems(_host_facts(engine), name, in_use=in_use, login=login)
    if problems:
        raise ConfigurationError(*(f"--parent: {problem}" for problem in problems))


def _host_facts(engine: Engine) -> EndpointFacts:
    """Return the engine's host as a reader sees it: readers read pairs, so it is both ends too."""
    host = namespaces_of(engine, engine.host())
    client, server = replace(host, role=Role.CLIENT), replace(host, role=Role.SERVER)
    (facts,) = choose_reader(engine).read([Pair(client, server, host, target=None, ipam=None)])
    if isinstance(facts, FactError):
        raise facts
    return facts.host


def _login() -> str | None:
    """Return the address of this machine by which the user has logged in."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[2] if len(words) == 4 else None  # noqa: PLR2004 -- two addresses, two ports


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
    instead = _instead(host, login)
    if link is None:
        return [f"{name} is no interface of the engine's host: {instead}"]
    if link.name == "lo":
        return [f"{name} is loopback, which leads nowhere and takes no children: {instead}"]
    problems = [*_unfit(host, link, instead)]
    if not in_use:
        problems += _needed(host, link, login)
    return problems


def _unfit(host: EndpointFacts, link: Link, instead: str) -> Iterator[str]:
    """Return why a link takes no child, or none that carries traffic."""
    name = link.name
    if link.kind in _CHILDREN:
        above = host.by_index(link.parent) if link.peer_nsid is None else None
        better = f"name that parent, {above.name}" if above else instead
        yield (
            f"{name} is itself a {link.kind}, and the kernel would put children beside it, on its "
            f"own parent: {better}"
        )
    if link.master is not None:
        master = host.link(link.master)
        kind = master.kind if master and master.kind else "link"
        yield (
            f"{name} is a port of the {kind} {link.master}, which takes every frame that arrives: "
            f"name {link.master}, or free it with `ip link set {name} nomaster`"
        )
    if not link.up:
        yield f"{name} is down, and so would be every child: `ip link set {name} up`"
    elif link.carrier is False:
        yield f"{name} has no carrier: nothing is up at its other end; plug it in, or name another"


def _needed(host: EndpointFacts, link: Link, login: str | None) -> Iterator[str]:
    """Return what the host and its user need a link for."""
    routes = [r for r in host.routes if r.link == link.name and r.destination in _DEFAULTS]
    if routes:
        via = f" by {routes[0].gateway}" if routes[0].gateway else ""
        yield f"{link.name} carries the default route{via}, and {_WHY}: {_ANYWAY}"
    if _has(host, link, login):
        yield f"{link.name} has {login}, the address of your own login, and {_WHY}: {_ANYWAY}"


def _has(host: EndpointFacts, link: Link, login: str | None) -> bool:
    try:
        wanted = ip_address((login or "").partition("%")[0])
    except ValueError:
        return False
    return any(a.link == link.name and ip_address(a.address) == wanted for a in host.addresses)


def _instead(host: EndpointFacts, login: str | None) -> str:
    """Return which interfaces could serve, in words."""
    free = [
        link.name
        for link in host.links
        if link.name != "lo"
        and link.kind not in _NOT_PROPOSED
        and not any(_unfit(host, link, ""))
        and not any(_needed(host, link, login))
    ]
    if not free:
        return "it has none that is up, free and not in use, so leave --parent out"
    return f"name one that could serve, such as {', '.join(free)}"
