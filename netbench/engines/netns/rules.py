"""The firewall rules that a Docker Engine installs for its networks, as data and as text. Pure.

They are those of Docker 26 with iptables: read from a daemon with `nft list ruleset`. Each rule is
rendered for `iptables-restore`, the program that such an engine calls too, and for `nft`, which
serves where there is no iptables. docs/engines.md tells where the two sets differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
    to: str = ""
    """Address and port that a translation leads to."""
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


_FORWARD: Final = (
    Rule("filter", "FORWARD", "DOCKER-USER"),
    Rule("filter", "FORWARD", _ISOLATED),
)
_TO_HOST: Final = Rule("nat", "PREROUTING", "DOCKER", local=True)
_FROM_HOST: Final = Rule("nat", "OUTPUT", "DOCKER", dst="! 127.0.0.0/8", local=True)
_CHAINS: Final = (
    RuleChain(*("nat", "PREROUTING"), (_TO_HOST,), hook="type nat hook prerouting priority dstnat"),
    RuleChain(*("nat", "OUTPUT"), (_FROM_HOST,), hook="type nat hook output priority dstnat"),
    RuleChain("nat", "POSTROUTING", hook="type nat hook postrouting priority srcnat"),
    RuleChain("nat", "DOCKER"),
    RuleChain(
        *("filter", "FORWARD"),
        _FORWARD,
        hook="type filter hook forward priority filter",
        policy="DROP",
    ),
    RuleChain("filter", "DOCKER"),
    RuleChain("filter", _ISOLATED, tail=(Rule("filter", _ISOLATED, "RETURN"),)),
    RuleChain("filter", _ISOLATING, tail=(Rule("filter", _ISOLATING, "RETURN"),)),
    RuleChain("filter", "DOCKER-USER", tail=(Rule("filter", "DOCKER-USER", "RETURN"),)),
)


def host_chains(family: Family) -> tuple[RuleChain, ...]:
    """Return the chains of the engine's host."""
    if family == Family.V4:
        return _CHAINS
    own = replace(_FROM_HOST, dst="! ::1/128")
    return tuple(replace(one, head=(own,)) if one.name == "OUTPUT" else one for one in _CHAINS)


def container_chains() -> tuple[RuleChain, ...]:
    """Return the chains in a container of a user-defined network: the way to the name server."""
    to, back = "DOCKER_OUTPUT", "DOCKER_POSTROUTING"
    ports = _RESOLVER_PORTS.items()
    there = tuple(
        Rule("nat", to, "DNAT", dst=_RESOLVER, protocol=p, dport=53, to=f"{_RESOLVER}:{port}")
        for p, port in ports
    )
    here = tuple(
        Rule("nat", back, "SNAT", src=_RESOLVER, protocol=p, sport=port, to=":53")
        for p, port in ports
    )
    asks = Rule("nat", "OUTPUT", to, dst=_RESOLVER)
    answers = Rule("nat", "POSTROUTING", back, dst=_RESOLVER)
    return (
        RuleChain("nat", "OUTPUT", (asks,), hook="type nat hook output priority dstnat"),
        RuleChain(
            "nat", "POSTROUTING", (answers,), hook="type nat hook postrouting priority srcnat"
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
    """Return the rules of a published port, none where it has no addresses of the family.

    Docker's own leave out the endpoint's neighbours by their link, since docker-proxy serves them.
    Here they are translated too, as by an engine without docker-proxy, and what is let through is
    what was translated.
    """
    if family == Family.V4:
        host, own, subnet = one.host.v4, one.to.v4, str(one.within.v4)
        to = f"{own}:{one.port}"
    elif one.host.v6 and one.to.v6:
        host, own, subnet = one.host.v6, one.to.v6, str(one.within.v6)
        to = f"[{own}]:{one.port}"
    else:
        return ()
    return tuple(
        rule
        for protocol in ("tcp", "udp")
        for rule in (
            Rule(
                *("nat", "DOCKER", "DNAT"),
                dst=host,
                protocol=protocol,
                dport=one.host_port,
                to=to,
                last=True,
            ),
            Rule(
                *("filter", "DOCKER", "ACCEPT"),
                dst=own,
                protocol=protocol,
                dport=one.port,
                state="DNAT",
                last=True,
            ),
            Rule(
                *("nat", "POSTROUTING", "MASQUERADE"),
                src=subnet,
                dst=own,
                protocol=protocol,
                dport=one.port,
                state="DNAT",
                last=True,
            ),
        )
    )


def by_table(rules: Iterable[Rule]) -> Mapping[Table, list[Rule]]:
    """Return the rules of each table that has some, in their order."""
    found: dict[Table, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.table, []).append(rule)
    return found


def content(chain: RuleChain, pieces: Iterable[tuple[Rule, ...]]) -> tuple[Rule, ...]:
    """Return everything in a chain: the newest network first, as Docker inserts them."""
    own = [[rule for rule in piece if _in(chain, rule)] for piece in pieces]
    first = [rule for piece in reversed(own) for rule in piece if not rule.last]
    last = [rule for piece in own for rule in piece if rule.last]
    return (*chain.head, *first, *last, *chain.tail)


def _in(chain: RuleChain, rule: Rule) -> bool:
    return (rule.table, rule.chain) == (chain.table, chain.name)
