"""Counters of a pair's namespaces: bytes of its links, and what many connections leave behind."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from netbench.errors import FactError
from netbench.facts.cpu_time import of_both
from netbench.facts.pair import NamespaceSet, Pair
from netbench.facts.procfs import net_dev
from netbench.record import Absent, FactValue, LinkCounters
from netbench.spec import Role
from netbench.system.files import FrozenFiles

_CONNTRACK: Final = "/proc/sys/net/netfilter/nf_conntrack_count"
_DEV, _SOCKSTAT, _SNMP = "dev", "sockstat", "snmp"  # files of /proc/net
_NO_CONNTRACK: Final = "the host does not track connections, or does not tell"
_NOT_READ: Final = "unreadable in that namespace"
_NO_COUNT: Final = Absent("nothing was counted before")
_TIME_WAIT: Final = re.compile(r"^TCP: .*\btw (\d+)", re.MULTILINE)
Bytes = Mapping[tuple[Role, str], LinkCounters]  # counters by namespace and link
Value = int | Absent


class LinkBytes:
    """The counters of a path's links, cheap enough to be read at both edges of every slice.

    What a link that arms share, as `lo`, counts while all others are held is one session's.
    """

    def __init__(self, pair: Pair, links: Iterable[tuple[Role, str]]) -> None:
        """Take links by namespace and name, but those of a sandbox, which belongs to one pair."""
        known = {one.role: one for one in pair.subjects if one.netns is None}
        self._links = [(known[role], name) for role, name in links if role in known]

    def read(self) -> Bytes:
        """Return the counters of now by /proc/PID/net/dev; raises `FactError`."""
        subjects = {one.role: one for one, _ in self._links}
        tables: dict[Role, Mapping[str, LinkCounters]] = {}
        for node in {one.node for one in subjects.values()}:
            there = [one for one in subjects.values() if one.node is node]
            taken = FrozenFiles(there[0].files, *(one.near(_DEV) for one in there))
            tables |= {one.role: net_dev(one.net_files(_DEV, taken=taken)[_DEV]) for one in there}
        for one, name in self._links:
            if name not in tables[one.role]:
                raise FactError(f"the {one.role} has no link {name} any more")
        return {(one.role, name): tables[one.role][name] for one, name in self._links}


@dataclass
class ConnectionWatch:
    """Watches what connections leave behind: a trial can run out of conntrack or ports."""

    client: NamespaceSet
    server: NamespaceSet
    host: NamespaceSet  # the engine's host, whose kernel may track connections
    _before: tuple[Value, Value, Value] = (_NO_COUNT, _NO_COUNT, _NO_COUNT)

    def start(self) -> None:
        """Note where counters stand before the trial."""
        self._before = self._counts()

    def look(self) -> None:
        """Look at nothing while the trial runs."""

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the trial facts since `start`."""
        tracked, waited, earlier = self._before
        conntrack, waiting, failed = self._counts()
        return (
            ("trial.conntrack_before", tracked),
            ("trial.conntrack_after", conntrack),
            ("trial.time_wait_before", waited),
            ("trial.time_wait_after", waiting),
            ("trial.connect_failures", of_both(lambda then, now: now - then, earlier, failed)),
        )

    def _counts(self) -> tuple[Value, Value, Value]:
        """Return entries of conntrack, sockets in TIME-WAIT, and failed connects, of now."""
        return (
            _read(lambda: self.host.run(("cat", _CONNTRACK)), int, _NO_CONNTRACK),
            _read(lambda: self.server.net_files(_SOCKSTAT)[_SOCKSTAT], time_wait, _NOT_READ),
            _read(lambda: self.client.net_files(_SNMP)[_SNMP], failed_connects, _NOT_READ),
        )


def time_wait(sockstat: str) -> int:
    """Return TCP sockets in TIME-WAIT by /proc/net/sockstat; raises `ValueError`."""
    found = _TIME_WAIT.search(sockstat)
    if found is None:
        raise ValueError("no line of TCP with `tw`")
    return int(found[1])


def passive_opens(server: NamespaceSet) -> int:
    """Return how many connections a namespace has accepted, RFC 4022; raises `FactError`."""
    try:
        return _of_tcp(server.net_files(_SNMP)[_SNMP], "PassiveOpens")
    except (KeyError, ValueError) as exc:
        raise FactError(f"/proc/net/snmp of the {server.role}: {exc}") from exc


def failed_connects(snmp: str) -> int:
    """Return `AttemptFails` of /proc/net/snmp, RFC 4022; raises `ValueError`, `KeyError`."""
    return _of_tcp(snmp, "AttemptFails")


def _of_tcp(snmp: str, name: str) -> int:
    rows = [line.split() for line in snmp.splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2:  # noqa: PLR2004 - names, and numbers beneath them
        raise ValueError("no two lines of Tcp")
    return int(dict(zip(*rows, strict=True))[name])


def _read(get: Callable[[], str], parse: Callable[[str], int], reason: str) -> Value:
    try:
        return parse(get())
    except (FactError, KeyError, ValueError) as exc:
        return Absent(f"{reason}: {exc}")
