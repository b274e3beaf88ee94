"""A path that is moved while it is measured: another link between the same two ends."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from support.hang import HANG

from netbench.runner.machine import Clock
from netbench.runner.session import SETTLE

NEAR, FAR = "moved0", "moved1"


def inside(pid: int, *commands: str) -> None:
    """Run commands of ip(8) in the network namespace of a process, together."""
    argv = ("nsenter", f"--target={pid}", "--net", "ip", "-batch", "-")
    done = subprocess.run(
        argv, check=False, input="\n".join(commands), text=True, capture_output=True
    )
    assert done.returncode == 0, (commands, done.stderr)


@dataclass(frozen=True)
class Detour:
    """A veth between client and server, beside whatever their driver gave them."""

    client: int
    """Process in the client's namespaces."""
    server: int
    client_address: str
    server_address: str

    def build(self) -> "Detour":
        """Make the link, on which nothing is sent yet."""
        down = f"link add {NEAR} type veth peer name {FAR} netns {self.server}"
        inside(self.client, down, f"link set {NEAR} addrgenmode none", f"link set {NEAR} up")
        inside(self.server, f"link set {FAR} addrgenmode none", f"link set {FAR} up")
        return self

    def take(self) -> None:
        """Send everything by the new link."""
        inside(self.server, f"route add {self.client_address}/32 dev {FAR}")
        inside(self.client, f"route add {self.server_address}/32 dev {NEAR}")

    def leave(self) -> None:
        """Send everything as before."""
        inside(self.client, f"route del {self.server_address}/32 dev {NEAR}")
        inside(self.server, f"route del {self.client_address}/32 dev {FAR}")


def find_detour(streams: int) -> Detour | None:
    """Return a way around the path of a running iperf3 with so many streams, between two spaces."""
    found = dict(_commands())
    for client, argv in found.items():
        if "-c" not in argv or ("-P", str(streams)) not in pairwise(argv):
            continue
        address, port = argv[argv.index("-c") + 1], argv[argv.index("-p") + 1]
        for server, other in found.items():
            if "-s" in other and {"-B", address, port} <= {*other} and _apart(client, server):
                return Detour(client, server, _address(client, address), address)
    return None


def _commands() -> Iterator[tuple[int, tuple[str, ...]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            argv = tuple((folder / "cmdline").read_bytes().decode().split("\0"))
            if argv[0] == "iperf3":
                yield int(folder.name), argv


def _apart(one: int, other: int) -> bool:
    with suppress(OSError):
        spaces = {Path(f"/proc/{pid}/ns/net").readlink() for pid in (one, other)}
        return len(spaces) > 1
    return False


def _address(pid: int, server: str) -> str:
    """Return the address from which a process reaches another one."""
    argv = ("nsenter", f"--target={pid}", "--net", "ip", "-j", "route", "get", server)
    done = subprocess.run(argv, check=True, text=True, capture_output=True)
    return str(json.loads(done.stdout)[0]["prefsrc"])


@contextmanager
def moved_in_a_run(streams: int, after: float) -> Iterator[None]:
    """Move the path of such an iperf3 so many seconds after it is seen to run; once, for good."""
    ended, moved = threading.Event(), threading.Event()

    def move() -> None:
        while not ended.wait(0.05):
            found = find_detour(streams)
            if found is not None:
                found.build()
                time.sleep(after)
                found.take()
                moved.set()
                return

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield
    finally:
        ended.set()
        mover.join(timeout=HANG)
    assert moved.is_set()


@contextmanager
def rewired_in_a_run(
    streams: int, after: float, host: Callable[..., str], bridge: str, *, back: bool = False
) -> Iterator[None]:
    """Make both ports of such a pair those of another bridge, so many seconds after it is seen.

    `host` runs a command in the network of the engine's host. With `back` they are what they were
    a moment later. The bridge is gone afterwards.
    """
    ended, moved = threading.Event(), threading.Event()
    host("ip", "link", "add", bridge, "type", "bridge")
    host("ip", "link", "set", bridge, "up")

    def move() -> None:
        while not ended.wait(0.05):
            found = find_detour(streams)
            if found is not None:
                time.sleep(after)
                links = {row["ifindex"]: row for row in json.loads(host("ip", "-j", "link"))}
                ports = [links[_peer(pid)] for pid in (found.client, found.server)]
                for port in ports:
                    host("ip", "link", "set", port["ifname"], "master", bridge)
                for port in ports if back else ():
                    host("ip", "link", "set", port["ifname"], "master", port["master"])
                moved.set()
                return

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield
    finally:
        ended.set()
        mover.join(timeout=HANG)
        host("ip", "link", "del", bridge)
    assert moved.is_set()


def _peer(pid: int) -> int:
    """Return the index of the other end of a process's `eth0`."""
    argv = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-j", "link", "show", "eth0")
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout
    return int(json.loads(shown)[0]["link_index"])


_HELD = 2


class Bending(Clock):
    """The clock of a session of one arm, at whose moments something else happens.

    Only a slice waits for as long as a slice, settling aside.
    """

    def __init__(
        self,
        length: float,
        within: Mapping[int, tuple[tuple[float, Callable[[], object]], ...]],
        after: Mapping[int, Callable[[], object]],
    ) -> None:
        """Take what happens.

        Args:
            length: of a slice, seconds.
            within: by number of the slice, after which shares of it something happens.
            after: by number of the slice, what happens while the client is held after it.
        """
        self._length = length
        self._within = within
        self._after = after
        self._slices = 0
        self._asked = 0
        """How often the time was asked for since the last slice; first when it ends, then held."""

    def now(self) -> float:
        self._asked += 1
        if self._asked == _HELD and self._slices in self._after:
            self._after[self._slices]()
        return super().now()

    def until(self, moment: float) -> None:
        began = self.now()
        seconds = moment - began
        if self._length - 2 * SETTLE < seconds < self._length:
            self._slices += 1
            for share, happen in self._within.get(self._slices, ()):
                super().until(began + share * seconds)
                happen()
            super().until(moment)
            self._asked = 0
        else:
            super().until(moment)
