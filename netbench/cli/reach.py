"""What `verify` shows of a driver: the reach matrix and the promises, in 100 columns. Pure."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

from netbench.cli.endpoints import (
    endpoint_document,
    network_document,
    network_line,
    veth_lines,
)
from netbench.drivers import ReachPlace
from netbench.verify import NotVerified, Verified
from netbench.verify.matrix import ReachResult
from netbench.verify.places import SOURCES, TARGETS

_WIDTH: Final = 100
_FIRST, _CELL = 15, 14
"""Columns of the first column of the matrix, and of every other."""
_KINDS: Final = ("tcp4", "udp4", "tcp6", "udp6")
_HALVES: Final = {
    frozenset({"tcp4", "tcp6"}): "tcp only",
    frozenset({"udp4", "udp6"}): "udp only",
    frozenset({"tcp4", "udp4"}): "v4 only",
    frozenset({"tcp6", "udp6"}): "v6 only",
}


def shown(one: Verified | NotVerified) -> str:
    """Return everything that was seen of one driver, for the terminal."""
    if isinstance(one, NotVerified):
        why = "not possible here" if one.impossible else "FAILED"
        return "\n".join([*_wrapped(f"{one.driver.name}: {why}: {one.reason}", ""), ""])
    lines = [_headline(one), "", *_matrix(one.rows), ""]
    lines += [line for problem in one.problems for line in _wrapped(f"FAILED {problem}", "  ")]
    for row in one.rows:
        if row.mismatch:
            words = (
                f"MISMATCH {row.source} -> {row.target}, {_kind(row)}: promised {row.promised}, "
                f"measured {row.measured}: {row.evidence}"
            )
            lines += _wrapped(words, "  ")
    for check in one.promises:
        held = "held  " if check.held else "BROKEN"
        lines += _wrapped(f"{held} {check.promise}", "  ")
        lines += _wrapped(check.evidence, " " * 9)
    return "\n".join([*lines, *_surroundings(one), ""])


def _headline(one: Verified) -> str:
    measured = sum(row.measured != "skip" for row in one.rows)
    broken = sum(not check.held for check in one.promises)
    wrong = sum(row.mismatch for row in one.rows)
    return (
        f"{one.driver.name}: {len(one.promises)} promises, {broken or 'none'} BROKEN; "
        f"{measured} connects, {wrong or 'none'} MISMATCHED"
    )


def _matrix(rows: Sequence[ReachResult]) -> list[str]:
    """Return a line for every place that connects start from, promises beside where they differ."""
    head = "from \\ to".ljust(_FIRST)
    lines = [(head + "".join(target.value.ljust(_CELL) for target in TARGETS)).rstrip()]
    for source in SOURCES:
        cells = [_cell(rows, source, target) for target in TARGETS]
        if all(first == "-" for first, _ in cells):
            continue
        firsts = "".join(first.ljust(_CELL) for first, _ in cells)
        lines.append((source.value.ljust(_FIRST) + firsts).rstrip())
        if any(second for _, second in cells):
            seconds = "".join(second.ljust(_CELL) for _, second in cells)
            lines.append((" " * _FIRST + seconds).rstrip())
    return lines


def _cell(rows: Sequence[ReachResult], source: ReachPlace, target: ReachPlace) -> tuple[str, str]:
    """Return what was measured in a word, and the promise where it was another."""
    own = [row for row in rows if (row.source, row.target) == (source, target)]
    measured = [row for row in own if row.measured != "skip"]
    reached = frozenset(_kind(row) for row in measured if row.measured == "reach")
    wrong = [row for row in measured if row.mismatch]
    promise = ""
    if wrong:
        promise = "PROMISED yes" if wrong[0].promised == "reach" else "PROMISED no"
    return word_for(reached, frozenset(map(_kind, measured))), promise


def word_for(reached: frozenset[str], tried: frozenset[str]) -> str:
    """Return which of the connects that were tried arrived, as one short word."""
    if not tried:
        return "-"
    if not reached:
        return "no"
    if reached == tried:
        return "yes"
    for half, word in _HALVES.items():
        if reached == half & tried and not reached == half & tried == tried:
            return word
    missing = tried - reached
    if len(missing) == 1:
        return f"not {next(iter(missing))}"
    return " ".join(kind for kind in _KINDS if kind in reached)


def _kind(row: ReachResult) -> str:
    return f"{row.protocol}{row.family}"


def _surroundings(one: Verified) -> list[str]:
    """Return what readers of articles check by eye: networks, namespaces, where links lead."""
    lines = []
    for spec, ipam in one.networks:
        network = network_document(one.driver.name, spec, ipam)
        lines += _wrapped(f"network {network_line(network)}", "  ")
    facts = one.facts
    pair = ((facts.client, facts.server), (facts.server, facts.client))
    for (end, other), endpoint in zip(pair, one.endpoints, strict=True):
        document = endpoint_document(end, other, facts, endpoint)
        spaces = ", ".join(
            f"{kind} {space['inode'] or 'unreadable'} {space['shared'] or 'unknown'}"
            for kind, space in document["namespaces"].items()
        )
        lines += _wrapped(f"{end.role} namespaces: {spaces}", "  ")
        lines += [line for words in veth_lines(document) for line in _wrapped(words, " " * 9)]
        if endpoint.sandbox_key:
            lines += _wrapped(f"sandbox key {endpoint.sandbox_key}", " " * 9)
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")
