"""Make the golden files of sessions: tools that are held and let go on, as they really printed.

    unshare --user --map-root-user --net python tests/golden/capture_sessions.py [case ...]

Traffic stays on the loopback of the new namespace. The commands are those of the probes. A case is
a folder `sessions/TOOL-VERSION/NAME` of what each end printed, and `session.json`: both argv and
exit codes, the probe's parameters, and every slice's edges by our clock with what the kernel had
counted at them.
"""

import json
import lzma
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Final

from netbench.facts.pair import NamespaceSet
from netbench.probes import (
    Count,
    Sliced,
    TcpConnect,
    TcpRoundTrip,
    TcpThroughput,
    UdpRoundTrip,
    Window,
)
from netbench.spec import Role
from netbench.watch import passive_opens

LOCAL: Final = "127.0.0.1"
HOLD: Final = 0.11
"""Seconds between two slices."""
SETTLE: Final = 0.02
WAKE: Final = 0.03
PORTS: Final = count(21001)
STREAM: Final = TcpThroughput(rounds=4, slice=0.15)
LARGE: Final = 65_000
"""Bytes of a message: the log of small ones has megabytes."""
LONG: Final = 40_000
"""Characters from which a text is kept compressed."""
FOLDER: Final = Path(__file__).parent / "sessions"
VERSIONS: Final = {"iperf3": "3.18", "sockperf": "3.7", "netperf": "2.7.1"}


@dataclass
class Live:
    """Both ends of a session."""

    probe: Sliced
    server: "subprocess.Popen[str] | None"
    client: "subprocess.Popen[str]"

    def counted(self) -> Count | None:
        """Return what the kernel has counted by now."""
        if self.probe.counted == "connections":
            here = NamespaceSet(Role.SERVER, 1, (), lambda argv: Path(argv[-1]).read_text())
            return Count(time.monotonic(), passive_opens(here))
        if self.probe.counted == "nothing" or self.server is None:
            return None
        ends = self.server, self.client
        try:
            read = [Path(f"/proc/{one.pid}/io").read_text() for one in ends]
        except OSError:
            return None
        totals = [re.search(r"rchar: (\d+)", text) for text in read]
        return Count(time.monotonic(), *(int(one[1]) for one in totals if one))

    def slice(self, number: int) -> Window:
        """Let the client go on for a slice."""
        released = time.monotonic()
        self.client.send_signal(signal.SIGCONT)
        time.sleep(SETTLE)
        start, first = time.monotonic(), self.counted()
        time.sleep(max(0.0, released + self.probe.slice - time.monotonic()))
        last, end = self.counted(), time.monotonic()
        self.client.send_signal(signal.SIGSTOP)
        time.sleep(HOLD)
        counts = (first, last) if first and last else None
        return Window(number, 1, released, start, end, counts)


def start(argv: tuple[str, ...]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def listen(argv: tuple[str, ...], port: int) -> "subprocess.Popen[str]":
    """Start a server and wait until it listens."""
    server = start(argv)
    for _ in range(200):
        texts = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "udp")]
        rows = [row for text in texts for row in text.splitlines()]
        if any(f":{port:04X} " in row and row.split()[3] in {"0A", "07"} for row in rows):
            return server
        time.sleep(0.02)
    raise SystemExit(f"{argv} does not listen")


def capture(
    probe: Sliced,
    between: Callable[[Live, int], None] = lambda *_: None,
    *,
    serve: bool = True,
    seconds: float = 10.0,
) -> tuple[Live, list[Window], dict[str, str]]:
    """Run one session; return what its ends left."""
    port = next(PORTS)
    server = listen(probe.server_argv(LOCAL, port), port) if serve else None
    live = Live(probe, server, start(probe.session_argv(LOCAL, port, None, seconds)))
    time.sleep(0.3 if not probe.pause else 1.0)
    live.client.send_signal(signal.SIGSTOP)
    time.sleep(probe.pause)
    live.client.send_signal(signal.SIGCONT)
    time.sleep(WAKE)
    live.client.send_signal(signal.SIGSTOP)
    time.sleep(probe.lead + 0.02)
    windows = []
    for number in range(1, probe.rounds + 1):
        windows.append(live.slice(number))
        between(live, number)
    if probe.lead:
        time.sleep(probe.lead / 5)
        live.client.send_signal(signal.SIGCONT)
        time.sleep(WAKE)
    live.client.send_signal(getattr(signal, f"SIG{probe.ended_by}"))
    live.client.send_signal(signal.SIGCONT)
    texts = dict(
        zip(("client.txt", "client.err"), live.client.communicate(timeout=20), strict=True)
    )
    if server is not None:
        if not probe.server_ends:
            server.kill()
        texts |= dict(
            zip(("server.txt", "server.err"), server.communicate(timeout=20), strict=True)
        )
    return live, windows, texts


def keep(name: str, live: Live, windows: Iterable[Window], texts: dict[str, str]) -> None:
    tool = live.probe.tool
    folder = FOLDER / f"{tool}-{VERSIONS[tool]}" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        if len(text) > LONG:
            (folder / f"{file}.xz").write_bytes(lzma.compress(text.encode()))
        else:
            (folder / file).write_text(text)
    ends = {"client": live.client, "server": live.server}
    told = {
        "probe": live.probe.name,
        "parameters": asdict(live.probe),  # type: ignore[call-overload] # every probe is a dataclass
        **{
            role: {"argv": end.args, "exit_code": end.returncode}
            for role, end in ends.items()
            if end is not None
        },
        "windows": [asdict(window) for window in windows],
    }
    (folder / "session.json").write_text(json.dumps(told, indent=1) + "\n")
    print(name, live.client.returncode, {file: len(text) for file, text in texts.items()})  # noqa: T201 - a script's progress


def killed(live: Live, number: int) -> None:
    """Kill the server after the second slice."""
    if number == 2 and live.server is not None:
        live.server.kill()


def replaced(probe: Sliced, **changes: object) -> Sliced:
    return type(probe)(**{**asdict(probe), **changes})  # type: ignore[call-overload] # a dataclass


TRIP: Final = TcpRoundTrip(rounds=3, slice=0.04, size=LARGE)
DATAGRAM: Final = UdpRoundTrip(rounds=3, slice=0.04, size=LARGE)
CONNECT: Final = TcpConnect(rounds=3, slice=0.1)
CASES: Final[dict[str, Callable[[], tuple[Live, list[Window], dict[str, str]]]]] = {
    "stream": lambda: capture(STREAM),
    "stream-parallel": lambda: capture(replaced(STREAM, streams=4)),
    "stream-reverse": lambda: capture(replaced(STREAM, reverse=True)),
    "stream-bidirectional": lambda: capture(replaced(STREAM, bidirectional=True)),
    "stream-server-killed": lambda: capture(STREAM, killed),
    "stream-refused": lambda: capture(STREAM, serve=False),
    "stream-ended": lambda: capture(STREAM, seconds=1.0),
    "tcp": lambda: capture(TRIP),
    "tcp-server-killed": lambda: capture(TRIP, killed),
    "tcp-refused": lambda: capture(TRIP, serve=False),
    "tcp-ended": lambda: capture(TRIP, seconds=1.0),
    "udp": lambda: capture(DATAGRAM),
    "udp-server-killed": lambda: capture(replaced(DATAGRAM, rounds=5), killed),
    "connections": lambda: capture(CONNECT),
    "connections-server-killed": lambda: capture(CONNECT, killed),
    "connections-refused": lambda: capture(CONNECT, serve=False),
}


def main() -> None:
    for words in (
        "link set lo up",
        # netperf looks up no address where there is none but lo's
        "link add near type veth peer name far",
        "address add 198.18.0.1/24 dev near",
        "link set near up",
        "link set far up",
    ):
        subprocess.run(("ip", *words.split()), check=True)
    for name in sys.argv[1:] or CASES:
        keep(name, *CASES[name]())


if __name__ == "__main__":
    main()
