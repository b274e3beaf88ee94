"""Firewall rules as the text of `iptables-restore` and of `nft -f`. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from netbench.engines.netns.rules import Rule, RuleChain, by_table, content

NFT_TABLE: Final = "netbench"
"""Start of the names of the tables that are made with nft, apart from those of iptables."""
_VERDICTS: Final = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "RETURN": "return",
    "MASQUERADE": "masquerade",
}


def restore(chains: Sequence[RuleChain], pieces: Sequence[tuple[Rule, ...]]) -> str:
    """Return what makes the tables hold exactly this, for `iptables-restore`.

    Args:
        chains: of the tables.
        pieces: the rules of each network or port, the oldest first.
    """
    lines = []
    for table in dict.fromkeys(chain.table for chain in chains):
        own = [chain for chain in chains if chain.table == table]
        lines.append(f"*{table}")
        lines += [f":{one.name} {one.policy if one.hook else '-'} [0:0]" for one in own]
        lines += [f"-A {_words(rule)}" for one in own for rule in content(one, pieces)]
        lines.append("COMMIT")
    return "\n".join((*lines, ""))


def insert(chains: Sequence[RuleChain], piece: Iterable[Rule]) -> str:
    """Return what adds rules as Docker does, for `iptables-restore --noflush`.

    They go to the start of their chain. What stands at the start already, whatever is before or
    behind it by now, is taken out and put back before them.
    """
    lines = []
    for table, rules in by_table(piece).items():
        first = [rule for rule in rules if not rule.last]
        names = {rule.chain for rule in first}
        heads = [x for one in chains if one.table == table and one.name in names for x in one.head]
        lines.append(f"*{table}")
        lines += [f"-D {_words(rule)}" for rule in heads]
        lines += [f"-I {_words(rule)}" for rule in reversed(first)]
        lines += [f"-I {_words(rule)}" for rule in reversed(heads)]
        lines += [f"-A {_words(rule)}" for rule in rules if rule.last]
        lines.append("COMMIT")
    return "\n".join((*lines, ""))


def delete(piece: Iterable[Rule]) -> str:
    """Return what takes rules out, for `iptables-restore --noflush`."""
    lines = []
    for table, rules in by_table(piece).items():
        lines += [f"*{table}", *(f"-D {_words(rule)}" for rule in rules), "COMMIT"]
    return "\n".join((*lines, ""))


def _words(rule: Rule) -> str:
    """Return a rule as iptables has it, from its chain on."""
    words = [rule.chain]
    for option, value in (
        ("-s", rule.src),
        ("-d", rule.dst),
        ("-i", rule.iif),
        ("-o", rule.oif),
        ("-p", rule.protocol),
    ):
        if value:
            negated = value.startswith("! ")
            words += [*(["!"] if negated else []), option, value.removeprefix("! ")]
    for option, port in (("--sport", rule.sport), ("--dport", rule.dport)):
        if port is not None:
            words += ["-m", rule.protocol, option, str(port)]
    if rule.local:
        words += ["-m", "addrtype", "--dst-type", "LOCAL"]
    if rule.state:
        words += ["-m", "conntrack", "--ctstate", rule.state]
    words += ["-j", rule.target]
    if rule.to:
        words += ["--to-destination" if rule.target == "DNAT" else "--to-source", rule.to]
    return " ".join(words)


def ruleset(family: str, chains: Sequence[RuleChain], pieces: Sequence[tuple[Rule, ...]]) -> str:
    """Return what replaces our tables of one family by this, for `nft -f`.

    Args:
        family: `ip` or `ip6`.
        chains: of the tables.
        pieces: the rules of each network or port, the oldest first.
    """
    texts = []
    for table in dict.fromkeys(chain.table for chain in chains):
        own = [chain for chain in chains if chain.table == table]
        name = f"{family} {NFT_TABLE}-{table}"
        # Those that are jumped to come first: nft takes no jump to what is not there yet.
        own.sort(key=lambda chain: bool(chain.hook))
        empty = "".join(f"  chain {chain.name} {{}}\n" for chain in own if not chain.hook)
        filled = "".join(_nft_chain(family, chain, content(chain, pieces)) for chain in own)
        texts.append(
            f"table {name}\ndelete table {name}\n"
            f"table {name} {{\n{empty}}}\n"
            f"table {name} {{\n{filled}}}\n"
        )
    return "".join(texts)


def _nft_chain(family: str, chain: RuleChain, rules: Iterable[Rule]) -> str:
    hook = f"    {chain.hook}; policy {chain.policy.lower()};\n" if chain.hook else ""
    lines = "".join(f"    {_nft_words(family, rule)}\n" for rule in rules)
    return f"  chain {chain.name} {{\n{hook}{lines}  }}\n"


def _nft_words(family: str, rule: Rule) -> str:
    words = []
    for match, value in (
        (f"{family} saddr", rule.src),
        (f"{family} daddr", rule.dst),
        ("iifname", _quoted(rule.iif)),
        ("oifname", _quoted(rule.oif)),
    ):
        if value:
            negated = value.startswith("! ")
            words.append(f"{match} {'!= ' if negated else ''}{value.removeprefix('! ')}")
    for side, port in (("sport", rule.sport), ("dport", rule.dport)):
        if port is not None:
            words.append(f"{rule.protocol} {side} {port}")
    if rule.local:
        words.append("fib daddr type local")
    if rule.state:
        match = "ct status" if rule.state == "DNAT" else "ct state"
        words.append(f"{match} {rule.state.lower()}")
    words.append("counter")
    if rule.to:
        words.append(f"{rule.target.lower()} to {rule.to}")
    else:
        words.append(_VERDICTS.get(rule.target, f"jump {rule.target}"))
    return " ".join(words)


def _quoted(link: str) -> str:
    if not link:
        return ""
    negated, name = link.startswith("! "), link.removeprefix("! ").replace("+", "*")
    return f'{"! " if negated else ""}"{name}"'
