"""Firewall rules as the text of `iptables-restore` and of `nft -f`. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from netbench.engines.netns.rules import Rule, RuleChain, Table
from netbench.spec import Family

FAMILIES: Final = {Family.V4: "ip", Family.V6: "ip6"}
"""As nft calls them, and as the names of iptables' programs start."""
NFT_TABLE: Final = "netbench"
"""Start of the names of the tables that are made with nft, apart from those of iptables."""
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
_NFT_TARGETS: Final = {
    verdict: verdict.lower() for verdict in ("ACCEPT", "DROP", "RETURN", "MASQUERADE")
}


def restore(chains: Sequence[RuleChain], pieces: Sequence[Piece]) -> str:
    """Return what makes the tables hold exactly this, for `iptables-restore`.

    Args:
        chains: of the tables.
        pieces: the oldest first.
    """
    lines = []
    for table, own in _by_table(chains).items():
        lines.append(f"*{table}")
        lines += [f":{one.name} {one.policy if one.hook else '-'} [0:0]" for one in own]
        lines += [f"-A {_iptables(rule)}" for one in own for rule in _content(one, pieces)]
        lines.append("COMMIT")
    return "\n".join((*lines, ""))


def insert(chains: Sequence[RuleChain], piece: Piece) -> str:
    """Return what adds rules as Docker does, for `iptables-restore --noflush`.

    They go to the start of their chain. What stands at the start already, whatever is before or
    behind it by now, is taken out and put back before them.
    """
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
    found: dict[Table, list[_Item]] = {}
    for item in items:
        found.setdefault(item.table, []).append(item)
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
        words.append(_NFT_TARGETS.get(rule.target, f"jump {rule.target}"))
    return " ".join(words)
