"""The firewall rules of Docker 26 with iptables, as data and as text for iptables and nft. Pure.

They were read by `nft list ruleset`; docs/engines.md lists where the two sets differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, TypeVar

from netbench.engines.subnets import Addresses, SubnetPair
from netbench.spec import Family

LAN_LINK: Final = "nblan"  # start of the name of every link from the world to the LAN

Table = Literal["filter", "nat"]
_ISOLATED, _ISOLATING = "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"
_NEAR: Final = ("fe80::/10", "ff02::/16")  # destinations that no router passes on, RFC 4291
_RESOLVER: Final = "127.0.0.11"  # Docker's name server in user-defined networks
_RESOLVER_PORTS: Final = {"tcp": 40053, "udp": 41053}  # any two of the container


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Text that starts with `! ` is a negated match; a link's trailing `+` a wildcard."""

    table: Table
    chain: str
    target: str  # a verdict, a translation or the name of a chain to jump to
    iif: str = ""
    oif: str = ""
    src: str = ""
    dst: str = ""
    protocol: str = ""
    sport: int | None = None
    dport: int | None = None
    local: bool = False  # whether the destination must be an address of the host's own
    state: Literal["", "RELATED,ESTABLISHED", "DNAT"] = ""  # in connection tracking
    to: str = ""  # address and port that a translation leads to
    last: bool = False  # whether it is appended to its chain; else it goes before what is there


@dataclass(frozen=True, slots=True)
class RuleChain:
    """A chain, with the rules that are there before any network."""

    table: Table
    name: str
    head: tuple[Rule, ...] = ()
    tail: tuple[Rule, ...] = ()
    hook: str = ""  # what it is attached to, in the words of nft; empty if it is only jumped to
    policy: Literal["ACCEPT", "DROP"] = "ACCEPT"


_PREROUTING: Final = "type nat hook prerouting priority dstnat"
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
        RuleChain("nat", "PREROUTING", (_TO_HOST,), hook=_PREROUTING),
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
    leaving = Rule("nat", "POSTROUTING", back, dst=_RESOLVER)
    return (
        RuleChain("nat", "OUTPUT", (Rule("nat", "OUTPUT", to, dst=_RESOLVER),), hook=_OUTPUT),
        RuleChain("nat", "POSTROUTING", (leaving,), hook=_POSTROUTING),
        RuleChain("nat", to, there),
        RuleChain("nat", back, here),
    )


def bridge_rules(link: str, subnet: str, *, internal: bool, icc: bool) -> tuple[Rule, ...]:
    """Return the rules of a bridge: none to others, and the way out translated, unless internal."""
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
    """Return the rules of a subnet that is none of the engine's own bridge networks, for its user.

    Everybody reaches it, and it reaches the LAN; with IPv6, neighbours at link-local addresses.
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

    Docker's own leave out the endpoint's neighbours, which docker-proxy serves. Here they are
    translated too, as without docker-proxy, and what was translated is let through.
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


FAMILIES: Final = {Family.V4: "ip", Family.V6: "ip6"}  # as nft and iptables' programs do
NFT_TABLE: Final = "netbench"  # start of the names of the tables made with nft
Piece = Sequence[Rule]  # the rules of one network, port or subnet

_IPTABLES: Final = {
    "src": "{no}-s {value}",
    "dst": "{no}-d {value}",
    "iif": "{no}-i {value}",
    "oif": "{no}-o {value}",
    "protocol": "-p {value}",
    "sport": "-m {protocol} --sport {value}",
    "dport": "-m {protocol} --dport {value}",
    "local": "-m addrtype --dst-type LOCAL",
    "state": "-m conntrack --ctstate {value}",
}
"""How iptables writes each match of a rule, in its order; `no` where it is negated."""
_NFT: Final = {
    "src": "{family} saddr {no}{value}",
    "dst": "{family} daddr {no}{value}",
    "iif": 'iifname {no}"{value}"',
    "oif": 'oifname {no}"{value}"',
    "sport": "{protocol} sport {value}",
    "dport": "{protocol} dport {value}",
    "local": "fib daddr type local",
}
"""How nft writes them, but for the state of a connection."""
_VERDICTS: Final = ("ACCEPT", "DROP", "RETURN", "MASQUERADE")


def restore(chains: Sequence[RuleChain], pieces: Sequence[Piece]) -> str:
    """Return what makes the tables hold exactly this, for `iptables-restore`; the oldest first."""
    lines = []
    for table, own in _by_table(chains).items():
        lines += [f"*{table}"]
        lines += [f":{one.name} {one.policy if one.hook else '-'} [0:0]" for one in own]
        lines += [f"-A {_iptables(rule)}" for one in own for rule in _content(one, pieces)]
        lines += ["COMMIT"]
    return "\n".join((*lines, ""))


def insert(chains: Sequence[RuleChain], piece: Piece) -> str:
    """Return what adds rules as Docker does, behind the head of their chain, for `--noflush`."""
    lines = []
    for table, rules in _by_table(piece).items():
        first = [rule for rule in rules if not rule.last]
        names = {rule.chain for rule in first}
        heads = [x for one in chains if one.table == table and one.name in names for x in one.head]
        lines.append(f"*{table}")
        lines += [f"-D {_iptables(rule)}" for rule in heads]
        lines += [f"-I {_iptables(rule)}" for rule in (*reversed(first), *reversed(heads))]
        lines += [f"-A {_iptables(rule)}" for rule in rules if rule.last]
        lines.append("COMMIT")
    return "\n".join((*lines, ""))


def delete(piece: Piece) -> str:
    """Return what takes rules out, for `iptables-restore --noflush`."""
    lines = []
    for table, rules in _by_table(piece).items():
        lines += [f"*{table}", *(f"-D {_iptables(rule)}" for rule in rules), "COMMIT"]
    return "\n".join((*lines, ""))


def ruleset(family: Family, chains: Sequence[RuleChain], pieces: Sequence[Piece]) -> str:
    """Return what replaces our tables of one family by this, for `nft -f`; see `restore`."""
    texts = []
    for table, own in _by_table(chains).items():
        name = f"{FAMILIES[family]} {NFT_TABLE}-{table}"
        # Those that are jumped to come first: nft takes no jump to what is not there yet.
        own.sort(key=lambda chain: bool(chain.hook))
        empty = "".join(f"  chain {chain.name} {{}}\n" for chain in own if not chain.hook)
        filled = "".join(_nft_chain(family, chain, _content(chain, pieces)) for chain in own)
        texts.append(
            f"table {name}\ndelete table {name}\n"
            f"table {name} {{\n{empty}}}\n"
            f"table {name} {{\n{filled}}}\n"
        )
    return "".join(texts)


_Item = TypeVar("_Item", Rule, RuleChain)


def _by_table(items: Iterable[_Item]) -> Mapping[Table, list[_Item]]:
    found = defaultdict[Table, list[_Item]](list)
    for item in items:
        found[item.table].append(item)
    return found


def _content(chain: RuleChain, pieces: Sequence[Piece]) -> tuple[Rule, ...]:
    """Return everything in a chain: the newest network first, as Docker inserts them."""
    place = (chain.table, chain.name)
    own = [[rule for rule in piece if (rule.table, rule.chain) == place] for piece in pieces]
    first = [rule for piece in reversed(own) for rule in piece if not rule.last]
    last = [rule for piece in own for rule in piece if rule.last]
    return (*chain.head, *first, *last, *chain.tail)


def _matches(rule: Rule, forms: Mapping[str, str], negation: str, family: str = "") -> list[str]:
    found = []
    for name, form in forms.items():
        value = str(getattr(rule, name) or "")
        if value:
            no = negation if value.startswith("! ") else ""
            words = {"no": no, "value": value.removeprefix("! "), "protocol": rule.protocol}
            found.append(form.format(family=family, **words))
    return found


def _iptables(rule: Rule) -> str:
    """Return a rule as iptables has it, from its chain on."""
    words = [rule.chain, *_matches(rule, _IPTABLES, "! "), "-j", rule.target]
    if rule.to:
        words += ["--to-destination" if rule.target == "DNAT" else "--to-source", rule.to]
    return " ".join(words)


def _nft_chain(family: Family, chain: RuleChain, rules: Iterable[Rule]) -> str:
    hook = f"    {chain.hook}; policy {chain.policy.lower()};\n" if chain.hook else ""
    lines = "".join(f"    {_nft(family, rule)}\n" for rule in rules)
    return f"  chain {chain.name} {{\n{hook}{lines}  }}\n"


def _nft(family: Family, rule: Rule) -> str:
    own = replace(rule, iif=rule.iif.replace("+", "*"), oif=rule.oif.replace("+", "*"))
    words = _matches(own, _NFT, "!= ", FAMILIES[family])
    if rule.state:
        known = "status" if rule.state == "DNAT" else "state"
        words.append(f"ct {known} {rule.state.lower()}")
    words.append("counter")
    if rule.to:
        words.append(f"{rule.target.lower()} to {rule.to}")
    else:
        words.append(rule.target.lower() if rule.target in _VERDICTS else f"jump {rule.target}")
    return " ".join(words)
