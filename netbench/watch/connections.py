"""Watches what many short connections leave behind: entries of conntrack, sockets in TIME-WAIT.

Both are finite. A connection that is closed holds its entry and, at the end that closed first, its
pair of ports for a minute or two; a trial that runs into such a limit measures the limit.
"""

import re
from collections.abc import Callable
from typing import Final

from netbench.errors import FactError
from netbench.facts.base import NamespaceSet
from netbench.record import Absent, FactValue

_CONNTRACK: Final = "/proc/sys/net/netfilter/nf_conntrack_count"
_SOCKSTAT: Final = "sockstat"
_SNMP: Final = "snmp"
_NO_CONNTRACK: Final = "the host does not track connections, or does not tell"
_TIME_WAIT: Final = re.compile(r"^TCP: .*\btw (\d+)", re.MULTILINE)
_NOT_READ: Final = "unreadable in that namespace"

Value = int | Absent


class ConnectionWatch:
    """Watches the namespaces of one trial."""

    def __init__(self, client: NamespaceSet, server: NamespaceSet, host: NamespaceSet) -> None:
        """Take whom to watch; nothing is read yet.

        Args:
            client: who connects.
            server: who is connected to.
            host: the engine's host, whose kernel may track connections.
        """
        self._client = client
        self._server = server
        self._host = host
        self._before = self._counts()

    def stop(self) -> tuple[tuple[str, FactValue], ...]:
        """Return the trial facts since the beginning."""
        conntrack, waiting, failed = self._counts()
        return (
            ("trial.conntrack_before", self._before[0]),
            ("trial.conntrack_after", conntrack),
            ("trial.time_wait_before", self._before[1]),
            ("trial.time_wait_after", waiting),
            ("trial.connect_failures", _since(self._before[2], failed)),
        )

    def _counts(self) -> tuple[Value, Value, Value]:
        """Return entries of conntrack, sockets in TIME-WAIT, and failed connects, as of now."""
        return (
            _read(lambda: self._host.run(("cat", _CONNTRACK)), int, _NO_CONNTRACK),
            _read(lambda: self._server.net_files(_SOCKSTAT)[_SOCKSTAT], time_wait, _NOT_READ),
            _read(lambda: self._client.net_files(_SNMP)[_SNMP], failed_connects, _NOT_READ),
        )


def time_wait(sockstat: str) -> int:
    """Return the number of TCP sockets in TIME-WAIT from /proc/net/sockstat.

    Raises:
        ValueError: it is not that file's text.
    """
    found = _TIME_WAIT.search(sockstat)
    if found is None:
        raise ValueError("no line of TCP with `tw`")
    return int(found[1])


def passive_opens(server: NamespaceSet) -> int:
    """Return how many connections a namespace has accepted since it was made, RFC 4022.

    Raises:
        FactError: it cannot be read.
    """
    try:
        return _of_tcp(server.net_files(_SNMP)[_SNMP], "PassiveOpens")
    except (KeyError, ValueError) as exc:
        raise FactError(f"/proc/net/snmp of the {server.role}: {exc}") from exc


def failed_connects(snmp: str) -> int:
    """Return `AttemptFails` from /proc/net/snmp: connections that never came about, RFC 4022.

    Raises:
        ValueError: it is not that file's text.
    """
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


def _since(before: Value, after: Value) -> Value:
    if isinstance(before, Absent):
        return before
    return after if isinstance(after, Absent) else after - before
