"""The firewall rules that a Docker Engine installs for its networks, as data. Pure.

They are those of Docker 26 with iptables: read from a daemon with `nft list ruleset`.
docs/engines.md lists where the two sets differ.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from netbench.engines.netns.allocator import Addresses, SubnetPair
from netbench.spec import Family

LAN_LINK: Final = "nblan"
"""Start of the name of every link from the world to the LAN."""

Table = Literal["filter", "nat"]
_ISOLATED, _ISOLATING = "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"
_NEAR: Final = ("fe80::/10", "ff02::/16")
"""Destinations that no router passes on, RFC 4291 §2.5.6 and §2.7."""
_RESOLVER: Final = "127.0.0.11"
"""Where containers of user-defined networks find Docker's name server."""
_RESOLVER_PORTS: Final = {"tcp": 40053, "udp": 41053}
"""Docker's name server listens on two random ones of the container."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Text that starts with `! ` is a negated match; a link's trailing `+` a wildcard."""

    table: Table
    chain: str
    target: str
    """A verdict, a translation or the name of a chain to jump to."""
    iif: str = ""
    oif: str = ""
    src: str = ""
    dst: str = ""
    protocol: str = ""
    sport: int | None = None
    dport: int | None = None
    local: bool = False
    """Whether the destination must be an address of the host's own."""
    state: Literal["", "RELATED,ESTABLISHED", "DNAT"] = ""
    """What connection tracking must know of the connection."""
    to: str = ""  # address and port that a translation leads to
    last: bool = False
    """Whether it is appended to its chain instead of going before what is there."""


@dataclass(frozen=True, slots=True)
class RuleChain:
    """A chain, with the rules that are there before any network."""

    table: Table
    name: str
    head: tuple[Rule, ...] = ()
    tail: tuple[Rule, ...] = ()
    hook: str = ""
    """What it is attached to, in the words of nft; empty where it is only jumped to."""
    policy: Literal["ACCEPT", "DROP"] = "ACCEPT"


_OUTPUT: Final = "type nat hook output priority dstnat"
_POSTROUTING: Final = "type nat hook postrouting priority srcnat"
_TO_HOST: Final = Rule("nat", "PREROUTING", "DOCKER", local=True)
_FROM_HOST: Final = Rule("nat", "OUTPUT", "DOCKER", dst="! 127.0.0.0/8", local=True)
_FORWARD: Final = tuple(Rule("filter", "FORWARD", to) for to in ("DOCKER-USER", _ISOLATED))


def host_chains(family: Family) -> tuple[RuleChain, ...]:
    """Return the chains of the engine's host."""
    own = _FROM_HOST if family == Family.V4 else replace(_FROM_HOST, dst="! ::1/128")
    forward = "type filter hook forward priority filter"
    return (
        RuleChain(
            "nat", "PREROUTING", (_TO_HOST,), hook="type nat hook prerouting priority dstnat"
        ),
        RuleChain("nat", "OUTPUT", (own,), hook=_OUTPUT),
        RuleChain("nat", "POSTROUTING", hook=_POSTROUTING),
        RuleChain("nat", "DOCKER"),
        RuleChain("filter", "FORWARD", _FORWARD, hook=forward, policy="DROP"),
        RuleChain("filter", "DOCKER"),
        *(
            RuleChain("filter", name, tail=(Rule("filter", name, "RETURN"),))
            for name in (_ISOLATED, _ISOLATING, "DOCKER-USER")
        ),
    )


def container_chains() -> tuple[RuleChain, ...]:
    """Return the chains in a container of a user-defined network: the way to the name server."""
    to, back = "DOCKER_OUTPUT", "DOCKER_POSTROUTING"
    there = tuple(
        Rule("nat", to, "DNAT", dst=_RESOLVER, protocol=p, dport=53, to=f"{_RESOLVER}:{port}")
        for p, port in _RESOLVER_PORTS.items()
    )
    here = tuple(
        Rule("nat", back, "SNAT", src=_RESOLVER, protocol=p, sport=port, to=":53")
        for p, port in _RESOLVER_PORTS.items()
    )
    return (
        RuleChain("nat", "OUTPUT", (Rule("nat", "OUTPUT", to, dst=_RESOLVER),), hook=_OUTPUT),
        RuleChain(
            *("nat", "POSTROUTING"),
            (Rule("nat", "POSTROUTING", back, dst=_RESOLVER),),
            hook=_POSTROUTING,
        ),
        RuleChain("nat", to, there),
        RuleChain("nat", back, here),
    )


def bridge_rules(link: str, subnet: str, *, internal: bool, icc: bool) -> tuple[Rule, ...]:
    """Return the rules of a bridge network: none to other bridges, and the way out translated.

    Args:
        link: the bridge.
        subnet: of the network.
        internal: whether it has no way out.
        icc: whether its containers reach each other.
    """
    between = "ACCEPT" if icc else "DROP"
    within = Rule("filter", "FORWARD", between, iif=link, oif=link, last=not icc)
    if internal:
        return (
            within,
            Rule("filter", _ISOLATED, "DROP", src=f"! {subnet}", oif=link),
            Rule("filter", _ISOLATED, "DROP", dst=f"! {subnet}", iif=link),
        )
    return (
        Rule("filter", "FORWARD", "ACCEPT", oif=link, state="RELATED,ESTABLISHED"),
        Rule("filter", "FORWARD", "DOCKER", oif=link),
        Rule("filter", "FORWARD", "ACCEPT", iif=link, oif=f"! {link}"),
        within,
        Rule("filter", _ISOLATED, _ISOLATING, iif=link, oif=f"! {link}"),
        Rule("filter", _ISOLATING, "DROP", oif=link),
        Rule("nat", "POSTROUTING", "MASQUERADE", src=subnet, oif=f"! {link}"),
    )


def routed_rules(subnet: str) -> tuple[Rule, ...]:
    """Return the rules of a subnet that is none of the engine's own bridge networks.

    Everybody reaches it, and it reaches the LAN. They stand where Docker leaves room for the
    user's rules. On a bridge with IPv6, neighbours are looked for at link-local addresses.
    """
    lan = f"{LAN_LINK}+"
    near = _NEAR if ":" in subnet else ()
    return (
        *(Rule("filter", "DOCKER-USER", "ACCEPT", dst=other) for other in (subnet, *near)),
        Rule("filter", "DOCKER-USER", "ACCEPT", src=subnet, oif=lan),
        Rule("nat", "POSTROUTING", "MASQUERADE", src=subnet, oif=lan, last=True),
    )


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the host's that leads to an endpoint."""

    host: Addresses
    host_port: int
    to: Addresses
    port: int
    within: SubnetPair
    """Subnets of the endpoint. Neighbours must come from the gateway, or be answered directly."""


def forward_rules(one: Forward, family: Family) -> tuple[Rule, ...]:
    """Return the rules of a published port, none if it has no addresses of the family.

    Docker's own leave out the endpoint's neighbours by their link, since docker-proxy serves them.
    Here they are translated too, as by an engine without docker-proxy, and what is let through is
    what was translated.
    """
    host, own, subnet = one.host.of(family), one.to.of(family), one.within.of(family)
    if not (host and own and subnet):
        return ()
    to = f"[{own}]:{one.port}" if family == Family.V6 else f"{own}:{one.port}"
    found: list[Rule] = []
    for protocol in ("tcp", "udp"):
        add = partial(Rule, protocol=protocol, last=True)
        translated = partial(add, dst=own, dport=one.port, state="DNAT")
        found += (
            add("nat", "DOCKER", "DNAT", dst=host, dport=one.host_port, to=to),
            translated("filter", "DOCKER", "ACCEPT"),
            translated("nat", "POSTROUTING", "MASQUERADE", src=subnet),
        )
    return tuple(found)
