"""What the kernel tells of links between two readings: a change that is undone again.

rtnetlink(7) sends a message for each change of a link's master, MTU or state to whoever listens in
its network namespace, root or not. They wait in the listener's socket, so that nothing works while
something is measured.
"""

import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from netbench.errors import FactError
from netbench.record import Link
from netbench.spec import Role
from netbench.system.setns import in_netns

MONITOR: Final = ("ip", "-o", "monitor", "link")
_LINE: Final = re.compile(
    r"^(Deleted )?(\d+): ([^\s:@]+)(?:@\S+)?: <(\S*)> mtu (\d+)(?: qdisc \S+)?(?: master (\S+))?"
)
_GROUP: Final = 1  # RTMGRP_LINK, include/uapi/linux/rtnetlink.h
_NEW: Final = 16  # RTM_NEWLINK
_DELETED: Final = 17  # RTM_DELLINK
_UP: Final = 1  # IFF_UP, include/uapi/linux/if.h
_LOWER_UP: Final = 1 << 16  # IFF_LOWER_UP
_NAME: Final = 3  # IFLA_IFNAME, include/uapi/linux/if_link.h
_MTU: Final = 4  # IFLA_MTU
_MASTER: Final = 10  # IFLA_MASTER
_HEADER: Final = struct.Struct("=LHHLL")  # nlmsghdr, include/uapi/linux/netlink.h
_INFO: Final = struct.Struct("=BxHiII")  # ifinfomsg, include/uapi/linux/rtnetlink.h
_ATTRIBUTE: Final = struct.Struct("=HH")  # rtattr
_NUMBER: Final = struct.Struct("=I")
_BUFFER: Final = 4 * 1024**2  # bytes of messages that may wait: more than a thousand of them
_FORCE: Final = 33  # SO_RCVBUFFORCE, beyond the limit for users
_ONE: Final = 64 * 1024  # bytes that one message has at most


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What was told of a link when it had changed."""

    role: Role  # of its namespace
    index: int
    gone: bool  # or no port of its master any more
    up: bool
    carrier: bool
    mtu: int | None  # bytes; None if it was not told
    master: str | None

    def differs(self, link: Link) -> str | None:
        """Return in words how it was not as a reading has it, or None."""
        if self.gone:
            return f"it left {self.master}" if self.master else "it was gone"
        now: dict[str, object] = {
            "up": self.up,
            "carrier": None if link.carrier is None else self.carrier,
            "master": self.master,
            "mtu": link.mtu if self.mtu is None else self.mtu,
        }
        words = [f"{name} {value}" for name, value in now.items() if value != getattr(link, name)]
        return ", ".join(words) or None


@dataclass(frozen=True, slots=True)
class Heard:
    """What was told, and in words by whom it was listened to, or why nobody did."""

    events: tuple[LinkEvent, ...]
    by: str


class Listener(Protocol):
    """Listens from its making until `stop`, which may be called again and then returns the same."""

    def stop(self) -> Heard:
        """Return what was told; raises `EngineLost`."""


@dataclass
class NetlinkListener:
    """Listens by sockets of our own in every namespace of a pair."""

    spaces: Mapping[Role, int | str]  # what names each network namespace
    names: Mapping[Role, Mapping[int, str]]  # links by index, for the names of masters
    _sockets: dict[Role, socket.socket] = field(default_factory=dict, init=False)
    _heard: Heard | None = None

    def __post_init__(self) -> None:
        """Begin; a namespace that may not be entered is left out, as the reading itself says so."""
        for role, where in self.spaces.items():
            with suppress(FactError, OSError):
                self._sockets[role] = in_netns(where, _listening)

    def stop(self) -> Heard:
        """Return what was told by now."""
        if self._heard is None:
            events: list[LinkEvent] = []
            lost = False
            for role, one in self._sockets.items():
                with one:
                    messages, missed = _drained(one)
                    lost = lost or missed
                    events += _parsed(messages, role, self.names.get(role, {}))
            where = ", ".join(self._sockets)
            more = "; more came than were kept" if lost else ""
            self._heard = Heard(tuple(events), f"netlink events of links of {where}{more}")
        return self._heard


@dataclass
class MonitorListener:
    """Listens by `ip monitor` on the engine's host, where the ends of most paths meet."""

    follow: Callable[[tuple[str, ...]], Callable[[], str]]  # as `NamespaceSet.follow` of the host
    _end: Callable[[], str] | None = None
    _heard: Heard | None = None

    def __post_init__(self) -> None:
        """Begin."""
        try:
            self._end = self.follow(MONITOR)
        except FactError as exc:
            self._heard = Heard((), f"nobody: {exc}")

    def stop(self) -> Heard:
        """Return what was told by now."""
        if self._heard is None and self._end is not None:
            try:
                self._heard = Heard(tuple(monitored(self._end())), "ip monitor link on the host")
            except FactError as exc:
                self._heard = Heard((), f"nobody: {exc}")
        return self._heard or Heard((), "nobody")


def _listening() -> socket.socket:
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with suppress(OSError):  # only root may
            one.setsockopt(socket.SOL_SOCKET, _FORCE, _BUFFER)
        one.setblocking(False)
        one.bind((0, _GROUP))
    except BaseException:
        one.close()
        raise
    return one


def _drained(one: socket.socket) -> tuple[list[bytes], bool]:
    """Return the messages that wait, and whether some were dropped (ENOBUFS)."""
    found: list[bytes] = []
    lost = False
    while True:
        try:
            found.append(one.recv(_ONE))
        except BlockingIOError:
            return found, lost
        except OSError:
            if lost:
                return found, lost
            lost = True


def _parsed(messages: Iterable[bytes], role: Role, names: Mapping[int, str]) -> Iterator[LinkEvent]:
    """Yield the events of a namespace; `names` are those of its links, as far as they are known."""
    bodies = [_Body(kind == _DELETED, *_told(body)) for kind, body in _bodies(messages)]
    names = {**names, **{one.index: one.name for one in bodies if one.name}}
    for one in bodies:
        # A bridge tells of itself as of one of its own ports.
        port = one.master is not None and one.master != one.index
        yield LinkEvent(
            role,
            one.index,
            one.gone,
            up=bool(one.flags & _UP),
            carrier=bool(one.flags & _LOWER_UP),
            mtu=one.mtu,
            master=names.get(one.master, f"link {one.master}") if port and one.master else None,
        )


@dataclass(frozen=True, slots=True)
class _Body:
    """A message on a link."""

    gone: bool
    index: int
    flags: int
    name: str
    mtu: int | None
    master: int | None


def _bodies(messages: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield what is told of links, with the kind of message."""
    for message in messages:
        at = 0
        while at + _HEADER.size <= len(message):
            length, kind, *_ = _HEADER.unpack_from(message, at)
            if length < _HEADER.size:
                break
            body = message[at + _HEADER.size : at + length]
            if kind in (_NEW, _DELETED) and len(body) >= _INFO.size:
                yield kind, body
            at += _aligned(length)


def _told(body: bytes) -> tuple[int, int, str, int | None, int | None]:
    _, _, index, flags, _ = _INFO.unpack_from(body)
    found = dict(_attributes(body[_INFO.size :]))
    name = found.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
    return index, flags, name, _number(found.get(_MTU)), _number(found.get(_MASTER))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, head = 0, _ATTRIBUTE.size
    while at + head <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < head:
            return
        yield kind, data[at + head : at + length]
        at += _aligned(length)


def _number(data: bytes | None) -> int | None:
    return None if data is None or len(data) != _NUMBER.size else int(_NUMBER.unpack(data)[0])


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def monitored(text: str) -> Iterator[LinkEvent]:
    """Parse what `ip -o monitor link` printed on the engine's host."""
    for line in text.splitlines():
        found = _LINE.match(line.removeprefix("[LINK]"))
        if found:
            gone, index, name, flags, mtu, master = found.groups()
            words = flags.split(",")
            yield LinkEvent(
                Role.HOST,
                int(index),
                gone is not None,
                up="UP" in words,
                carrier="LOWER_UP" in words,
                mtu=int(mtu),
                master=None if master == name else master,
            )
