"""The reader from inside: read-only tools run in the endpoint through the engine.

For users who may use the engine but not enter namespaces (most of them), and for engines on another
machine. For each trial links, addresses and counters are read again, and routes from the
world-readable /proc/<pid>/net of the engine's machine where that can be had. The rest has the time
of bring-up.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

from msgspec import json

from netbench.errors import FactError
from netbench.facts.base import SANDBOXES, Heard, LinkEvent, NetnsFacts, Reader, StopListening
from netbench.facts.pair import NamespaceSet, Pair, Where
from netbench.facts.procfs import (
    in_order,
    links_and_addresses,
    net_ipv6_route,
    net_route,
    start_ticks,
)
from netbench.facts.registry import OFFLOADS
from netbench.record import (
    NAMESPACE_KINDS,
    Address,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.spec import Node, Role
from netbench.system.files import Files, FrozenFiles
from netbench.system.interrupts import Pool

_Process = tuple[Node, int]  # by its number on its machine
_Held = tuple[tuple[Link, ...], tuple[Address, ...]]  # links and addresses of a network namespace
MONITOR: Final = ("ip", "-o", "monitor", "link")
_LINE: Final = re.compile(
    r"^(Deleted )?(\d+): ([^\s:@]+)(?:@\S+)?: <(\S*)> mtu (\d+)(?: qdisc \S+)?(?: master (\S+))?"
)
_ADDR: Final = ("ip", "-j", "-d", "-s", "addr", "show")
_CONGESTION: Final = "/proc/sys/net/ipv4/tcp_congestion_control"
_ROUTES: Final = ("route", "ipv6_route")  # files of /proc/net that hold the routes of each family
_ONCE: Final = "offloads, namespaces and congestion control as of bring-up"
"""What a later reading takes over: what takes a tool a link, or a process cannot leave."""
_NO_SANDBOX: Final = "no process is in it: only root may enter it, by its file"
_ETHTOOL_NAMES: Final = {  # ethtool's older names of kernel features, ethtool(8)
    "generic-receive-offload": "rx-gro",
    "generic-segmentation-offload": "tx-generic-segmentation",
    "large-receive-offload": "rx-lro",
    "rx-checksumming": "rx-checksum",
}


class InsideReader(Reader):
    """Runs `ip`, `readlink`, `cat` and `ethtool` where the namespaces are."""

    name: ClassVar[Literal["netlink", "engine"]] = "engine"
    notes = ("namespace ids cannot be resolved to processes through the engine",)
    workers = 4

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._started: dict[_Process, int | None] = {}
        self._first: dict[_Process, str] = {}  # when its first reading began, ISO 8601

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything of each pair, and remember when their processes were started."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        found = super().read(pairs)
        subjects = [one for pair in pairs for one in pair.subjects]
        taken = _taken(subjects)
        started = {_process(one): start_ticks(one.pid, taken[one.node]) for one in subjects}
        self._started |= started
        self._first |= dict.fromkeys(started, now)
        return found

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts with links, addresses, counters and routes of now; the rest stays."""
        subjects = [one for one in pair.subjects if one.role not in SANDBOXES]
        taken = _taken(subjects, *_ROUTES)
        for subject in subjects:
            started = self._started.get(_process(subject))
            if start_ticks(subject.pid, taken[subject.node]) != started:
                raise FactError(f"the {subject.role} (process {subject.pid}) is gone")
        # Of those who share a network namespace the last one is asked, the host above all.
        spaces = {
            one.role: (one.node, end.namespaces.net)
            for one in subjects
            if (end := seen.end(one.role))
        }
        asked = {spaces[one.role]: one for one in subjects if one.role in spaces}
        with Pool(max_workers=self.workers) as pool:
            held = dict(zip(asked, pool.map(_held, asked.values()), strict=True))

        def now(subject: NamespaceSet, end: EndpointFacts) -> EndpointFacts:
            return _refresh(subject, end, held[spaces[subject.role]], taken[subject.node])

        side = seen.client_side
        if side and pair.far:
            side = replace(side, host=now(pair.far.host, side.host), sandbox=None)

        facts = replace(
            seen,
            client=now(pair.client, seen.client),
            server=now(pair.server, seen.server),
            host=now(pair.host, seen.host),
            lan=now(pair.lan, seen.lan) if pair.lan and seen.lan else None,
            machine=now(pair.machine, seen.machine) if pair.machine and seen.machine else None,
            client_side=side,
            read_once=(f"{_ONCE}, {min(self._first[_process(one)] for one in subjects)}",),
        )
        return self.with_counted(pair, facts)

    def listen(self, pair: Pair, seen: PairFacts) -> StopListening:
        """Have the link events of each machine's host printed where the helper is."""
        del seen
        hosts = [pair.host, *([pair.far.host] if pair.far else [])]
        stops = [monitor(one.follow, one.role) for one in hosts]

        def stop() -> Heard:
            heard = [end() for end in stops]
            events = tuple(event for one in heard for event in one.events)
            return Heard(events, "; ".join(dict.fromkeys(one.by for one in heard)))

        return stop

    def namespaces(self, subject: NamespaceSet) -> Namespaces:
        """Return the inodes of a subject's namespaces."""
        if subject.role in SANDBOXES:
            raise FactError(_NO_SANDBOX)
        text = subject.run(("readlink", *(f"/proc/self/ns/{kind}" for kind in NAMESPACE_KINDS)))
        seen = namespaces(text)
        if seen.net is None:
            raise FactError(f"the {subject.role} has no network namespace in {text[:200]!r}")
        return seen

    def netns(self, subject: NamespaceSet, others: Sequence[Where]) -> NetnsFacts:
        """Return what the network namespace holds."""
        del others
        links, addresses = _held(subject)
        congestion = subject.run(("cat", _CONGESTION)).strip() or None
        return NetnsFacts(links, addresses, _routes(subject.net_files(*_ROUTES)), congestion, {})

    def offloads(self, subject: NamespaceSet, name: str) -> tuple[str, ...] | None:
        """Return the offloads of a link that are on; there may be no ethtool."""
        return offloads(subject.run(("ethtool", "--json", "-k", name)))


def _process(subject: NamespaceSet) -> _Process:
    return subject.node, subject.pid


def _taken(subjects: Sequence[NamespaceSet], *near: str) -> dict[Node, Files]:
    """Return what /proc says by now of processes, and files of /proc/net of theirs, by machine."""
    by_node: dict[Node, list[NamespaceSet]] = {}
    for one in subjects:
        by_node.setdefault(one.node, []).append(one)
    return {
        node: FrozenFiles(
            there[0].files,
            *(one.near(name) for one in there for name in near),
            *(f"/proc/{one.pid}/stat" for one in there),
        )
        for node, there in by_node.items()
    }


def ip_rows(text: str) -> list[dict[str, Any]]:
    """Parse what `ip -j -d -s addr show` prints; raises `FactError` if it is something else."""
    try:
        return json.decode(text or "[]", type=list[dict[str, Any]])
    except (ValueError, RecursionError) as exc:
        said = f"{exc!r} in {text[:200]!r}"
        raise FactError(f"unreadable output of `{' '.join(_ADDR)}`: {said}") from exc


def _routes(texts: Mapping[str, str]) -> tuple[Route, ...]:
    """Return the routes in the files of a namespace, which has no `ipv6_route` without IPv6."""
    routes, routes6 = (texts.get(name) for name in _ROUTES)
    if routes is None:
        raise FactError("/proc/net/route is not readable")
    return in_order((*net_route(routes), *net_ipv6_route(routes6 or "")))


def _held(subject: NamespaceSet) -> _Held:
    """Return the links of a network namespace, without their offloads, and its addresses."""
    return links_and_addresses(ip_rows(subject.run(_ADDR)))


def _refresh(
    subject: NamespaceSet, seen: EndpointFacts, held: _Held, taken: Files
) -> EndpointFacts:
    links, addresses = held
    known = {(link.index, link.name): link.offloads for link in seen.links}
    return replace(
        seen,
        links=tuple(replace(x, offloads=known.get((x.index, x.name))) for x in links),
        addresses=addresses,
        routes=_routes(subject.net_files(*_ROUTES, taken=taken)),
    )


def namespaces(text: str) -> Namespaces:
    """Parse what `readlink` prints of /proc/self/ns: `net:[4026531840]`."""
    found = dict(re.findall(r"^([a-z]+):\[([0-9]{1,20})\]$", text, re.MULTILINE))
    return Namespaces(**{kind: int(found[kind]) for kind in NAMESPACE_KINDS if kind in found})


def offloads(text: str) -> tuple[str, ...] | None:
    """Parse what `ethtool --json -k` prints; None if it is something else."""
    try:
        (features,) = json.decode(text, type=list[dict[str, Any]])
    except (ValueError, RecursionError):
        return None
    on = {
        _ETHTOOL_NAMES.get(key, key)
        for key, value in features.items()
        if isinstance(value, dict) and value.get("active") is True
    }
    return tuple(wanted for wanted in OFFLOADS if wanted in on)


def monitor(
    follow: Callable[[tuple[str, ...]], Callable[[], str]], role: Role = Role.HOST
) -> StopListening:
    """Listen by `ip monitor` on the engine's host, where the ends of most paths meet.

    `follow` is `NamespaceSet.follow` of the host.
    """
    try:
        end = follow(MONITOR)
    except FactError as exc:
        reason = str(exc)
        return lambda: Heard((), f"nobody: {reason}")

    def stop() -> Heard:
        try:
            return Heard(tuple(monitored(end(), role)), f"ip monitor link on the {role}")
        except FactError as exc:
            return Heard((), f"nobody: {exc}")

    return stop


def monitored(text: str, role: Role = Role.HOST) -> Iterator[LinkEvent]:
    """Parse what `ip -o monitor link` printed on the engine's host."""
    for line in text.splitlines():
        found = _LINE.match(line.removeprefix("[LINK]"))
        if found:
            gone, index, name, flags, mtu, master = found.groups()
            words = flags.split(",")
            yield LinkEvent(
                role,
                int(index),
                gone is not None,
                up="UP" in words,
                carrier="LOWER_UP" in words,
                mtu=int(mtu),
                master=None if master == name else master,
            )
