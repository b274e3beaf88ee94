"""Make the golden files of one tool's version: real output, from namespaces of its own.

    unshare --user --map-root-user --net --uts \
        python tests/golden/capture.py iperf3 3.18 /usr/bin/iperf3
    ... capture.py sockperf 3.7 /usr/bin/sockperf
    ... capture.py sockperf-udp 3.7 /usr/bin/sockperf
    ... capture.py netperf 2.7.1 /usr/bin/netperf
    ... capture.py iperf3 3.18 /usr/bin/iperf3 udp-burst udp-flooded    (these cases alone)
    ... capture.py socat 1.8.0 /bin/sh

Traffic stays on the loopback of the new namespace, or on a veth pair to a second one. The commands
are those of the probes; what a case adds is in its name. Every case is a file of standard output
and an entry (argv, exit code, standard error) in `cases.json` beside it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from netbench.probes import (
    ControlPlane,
    TcpConnect,
    TcpRoundTrip,
    TcpThroughput,
    UdpRate,
    UdpRoundTrip,
)

LOCAL = "127.0.0.1"
NEAR, FAR, NOBODY, NOWHERE = "198.18.0.1", "198.18.0.2", "198.18.0.9", "198.19.0.1"
IPERF3 = TcpThroughput(seconds=1, omit=1, interval=0.5)
IPERF3_LONG = TcpThroughput(seconds=3, omit=0, interval=0.5)
IPERF3_MORE = (
    ("paced", TcpThroughput(seconds=1, omit=1, streams=2, rate="200M", interval=0.5), LOCAL),
    (
        "bidirectional-parallel",
        TcpThroughput(seconds=1, omit=1, streams=2, bidirectional=True, interval=0.5),
        LOCAL,
    ),
    ("udp-rate", UdpRate(rate="20M"), FAR),
    ("udp-burst", UdpRate(rate="20M", volume=500_000), FAR),
    ("udp-flooded", UdpRate(rate="100G", volume=2**26), FAR),
    ("udp-too-long", UdpRate(rate="20M", length=2000, dont_fragment=True), FAR),
)
"""Cases of the probes' own parameters; FAR lies behind a link of MTU 1500."""
SOCKPERF = TcpRoundTrip(seconds=1)
SOCKPERF_LONG = TcpRoundTrip(seconds=3)
UDP = UdpRoundTrip(seconds=1)
UDP_LARGE = UdpRoundTrip(seconds=1, size=65472)
UDP_LONG = UdpRoundTrip(seconds=3)
NETPERF = TcpConnect(connections=2000)
TCP_STREAM = ("netperf", "-4", "-t", "TCP_STREAM", "-l", "1", "-P", "0", "-j")
PORTS = count(20001)


@dataclass
class Capture:
    folder: Path
    suffix: str
    binary: str
    wanted: tuple[str, ...] = ()
    cases: dict[str, dict[str, object]] = field(default_factory=dict)

    def spawn(self, argv: tuple[str, ...], prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (*prefix, str(Path(self.binary).with_name(Path(argv[0]).name)), *argv[1:]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def keep(self, name: str, argv: tuple[str, ...], process: subprocess.Popen[str]) -> None:
        stdout, stderr = process.communicate(timeout=30)
        if self.wanted and name not in self.wanted:
            return
        (self.folder / f"{name}{self.suffix}").write_text(stdout)
        self.cases[name] = {"argv": argv, "exit_code": process.returncode, "stderr": stderr}
        print(f"{name}: exit code {process.returncode}, {len(stdout)} characters")  # noqa: T201 - a script's progress

    def run(self, name: str, argv: tuple[str, ...], prefix: tuple[str, ...] = ()) -> None:
        self.keep(name, argv, self.spawn(argv, prefix))

    def interrupt(
        self, name: str, argv: tuple[str, ...], victim: subprocess.Popen[str] | None, sign: int
    ) -> None:
        """Start the client, let it measure for a while, and signal it or its server."""
        client = self.spawn(argv)
        time.sleep(0.9 if self.suffix == ".json" else 3.2)
        os.kill((victim or client).pid, sign)
        self.keep(name, argv, client)

    @contextmanager
    def server(
        self, argv: tuple[str, ...], prefix: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a server, ready when it listens."""
        process = self.spawn(argv, prefix)
        port = f"{int(argv[argv.index('-p') + 1]):04X}"
        for _ in range(200):
            rows = [
                row
                for name in ("tcp", "udp")
                for row in Path(f"/proc/{process.pid}/net/{name}").read_text().splitlines()
            ]
            if any(f":{port} " in row and row.split()[3] in {"0A", "07"} for row in rows):
                break
            time.sleep(0.02)
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=10)


def iperf3(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, *more: str, address: str = LOCAL) -> tuple[str, ...]:
        return (*IPERF3.client_argv(address, port, None), *more)

    plain = {
        "ok": (),
        "cubic": ("-C", "cubic"),
        "parallel": ("-P", "2"),
        "reverse": ("-R",),
        "bidirectional": ("--bidir",),
        "udp": ("-u", "-b", "10M"),
        "unknown-congestion-control": ("-C", "nosuch"),
    }
    for name, more in plain.items():
        port = next(PORTS)
        with capture.server(IPERF3.server_argv(LOCAL, port)) as server:
            capture.run(name, client(port, *more))
            if name == "ok":
                capture.keep("server-side", IPERF3.server_argv(LOCAL, port), server)
    for name, probe, address in IPERF3_MORE:
        port = next(PORTS)
        with capture.server(probe.server_argv(address, port), far if address == FAR else ()):
            capture.run(name, probe.client_argv(address, port, None))
    capture.run("unknown-option", client(next(PORTS), "--no-such-option"))
    port = next(PORTS)
    with capture.server(IPERF3.server_argv(FAR, port), far):
        capture.run("veth", client(port, address=FAR))
    capture.run("refused", client(next(PORTS)))
    capture.run("network-unreachable", client(next(PORTS), address=NOWHERE))
    capture.run("no-route-to-host", client(next(PORTS), address=NOBODY))
    capture.run("usage", client(next(PORTS), "-P", "999"))
    for name, sign in (("server-killed", signal.SIGKILL), ("server-terminated", signal.SIGTERM)):
        port = next(PORTS)
        with capture.server(IPERF3.server_argv(LOCAL, port)) as server:
            capture.interrupt(name, IPERF3_LONG.client_argv(LOCAL, port, None), server, sign)
    port = next(PORTS)
    with capture.server(IPERF3.server_argv(LOCAL, port)):
        argv = IPERF3_LONG.client_argv(LOCAL, port, None)
        capture.interrupt("client-terminated", argv, None, signal.SIGTERM)
    port = next(PORTS)
    with capture.server(IPERF3.server_argv(LOCAL, port)):
        first = capture.spawn(client(port))
        time.sleep(0.5)
        capture.run("busy", client(port))
        first.communicate(timeout=10)


def sockperf(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, *more: str, address: str = LOCAL) -> tuple[str, ...]:
        return (*unlogged(SOCKPERF.client_argv(address, port, None)), *more)

    for name, argv in {
        "logged": (*SOCKPERF.client_argv(LOCAL, 20503, None), "--mps", "1000"),
        "ok": client(20500),
        "few-observations": client(20501, "--mps", "100"),
        "half-round-trip": tuple(part for part in client(20502) if part != "--full-rtt"),
    }.items():
        port = int(argv[argv.index("-p") + 1])
        with capture.server(SOCKPERF.server_argv(LOCAL, port)):
            capture.run(name, argv)
    port = next(PORTS)
    with capture.server(SOCKPERF.server_argv(FAR, port), far):
        capture.run("veth", client(port, address=FAR))
    with capture.server(SOCKPERF.server_argv(LOCAL, port)):
        held = capture.spawn(client(port))
        time.sleep(0.3)
        held.send_signal(signal.SIGSTOP)
        time.sleep(3)
        held.send_signal(signal.SIGCONT)
        capture.keep("held", client(port), held)
    capture.run("refused", client(next(PORTS)))
    capture.run("network-unreachable", client(next(PORTS), address=NOWHERE))
    capture.run("no-route-to-host", client(next(PORTS), address=NOBODY))
    capture.run("usage", (*client(next(PORTS))[:-4], "-t", "0"))
    for name, sign in (
        ("client-terminated", signal.SIGTERM),
        ("client-interrupted", signal.SIGINT),
    ):
        port = next(PORTS)
        with capture.server(SOCKPERF.server_argv(LOCAL, port)):
            argv = unlogged(SOCKPERF_LONG.client_argv(LOCAL, port, None))
            capture.interrupt(name, argv, None, sign)
    port = next(PORTS)
    with capture.server(SOCKPERF.server_argv(LOCAL, port)) as server:
        argv = unlogged(SOCKPERF_LONG.client_argv(LOCAL, port, None))
        capture.interrupt("server-killed", argv, server, signal.SIGKILL)
    port = next(PORTS)
    with mute(port):
        capture.run("no-answer", client(port))


def unlogged(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return sockperf's command without its log, which holds megabytes."""
    return argv[: argv.index("--full-log")] if "--full-log" in argv else argv


def sockperf_udp(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, *more: str, address: str = LOCAL) -> tuple[str, ...]:
        return (*unlogged(UDP.client_argv(address, port, None)), *more)

    for name, argv in {
        "ok": client(20500),
        "large": unlogged(UDP_LARGE.client_argv(LOCAL, 20501, None)),
        "logged": (*UDP.client_argv(LOCAL, 20502, None), "--mps", "1000"),
    }.items():
        port = int(argv[argv.index("-p") + 1])
        with capture.server(UDP.server_argv(LOCAL, port)):
            capture.run(name, argv)
    port = next(PORTS)
    with capture.server(UDP.server_argv(FAR, port), far):
        capture.run("veth", client(port, address=FAR))
    capture.run("refused", client(next(PORTS)))
    capture.run("network-unreachable", client(next(PORTS), address=NOWHERE))
    capture.run("no-route-to-host", client(next(PORTS), address=NOBODY))
    for name, seconds in (("lost-early", 2.2), ("lost", 2.9), ("lost-late", 4.6)):
        port = next(PORTS)
        with capture.server(UDP.server_argv(LOCAL, port)) as server:
            argv = unlogged(UDP_LONG.client_argv(LOCAL, port, None))
            lost = capture.spawn(argv)
            time.sleep(seconds)
            server.kill()
            capture.keep(name, argv, lost)


def netperf(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, address: str = FAR) -> tuple[str, ...]:
        return NETPERF.client_argv(address, port, None)

    port = next(PORTS)
    with capture.server(NETPERF.server_argv(FAR, port), far):
        capture.run("ok", client(port))
        capture.run("unknown-selector", (*client(port)[:-1], client(port)[-1] + ",NO_SUCH"))
        capture.run("stream", (*TCP_STREAM, "-H", FAR, "-p", str(port), "--", *client(port)[-2:]))
        capture.run("timed", tuple("1" if word == "-2000" else word for word in client(port)))
        capture.run("usage", tuple("NONE" if word == "TCP_CRR" else word for word in client(port)))
    capture.run("refused", client(next(PORTS)))
    capture.run("network-unreachable", client(next(PORTS), NOWHERE))
    capture.run("no-route-to-host", client(next(PORTS), NOBODY))
    long = TcpConnect(connections=1_000_000)
    for name, sign in (("server-killed", signal.SIGKILL), ("client-terminated", signal.SIGTERM)):
        port = next(PORTS)
        with capture.server(NETPERF.server_argv(FAR, port), far) as server:
            process = capture.spawn(long.client_argv(FAR, port, None))
            time.sleep(0.5)
            (server if name == "server-killed" else process).send_signal(sign)
            capture.keep(name, long.client_argv(FAR, port, None), process)


def socat(capture: Capture, far: tuple[str, ...]) -> None:
    """The tool is a shell, which calls socat; calls that fail give up after two tries."""
    probe, port = ControlPlane(), next(PORTS)

    def call(address: str, port: int) -> tuple[str, ...]:
        *shell, script = probe.caller_argv(address, port)
        return (*shell, script.replace("retry=1000", "retry=2"))

    with subprocess.Popen((*far, *probe.answerer_argv(FAR, port))) as server:
        capture.run("ok", call(FAR, port))
        server.terminate()
    capture.run("refused", call(LOCAL, port))
    capture.run("no-such-tool", (*call(LOCAL, port)[:2], "echo | no-such-tool"))
    with mute(port):
        *shell, script = call(LOCAL, port)
        capture.run("no-answer", (*shell, script.replace("-t10 -T10", "-t1 -T1")))


@contextmanager
def mute(port: int) -> Iterator[None]:
    """Listen on `port`, accept by backlog, never answer."""
    listen = f"import socket; s = socket.create_server(('{LOCAL}', {port}))"
    argv = (sys.executable, "-I", "-S", "-c", f"{listen}; print(1, flush=True); input()")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@contextmanager
def far_namespace() -> Iterator[tuple[str, ...]]:
    """Make a second namespace behind a veth pair; yield the prefix that runs a command in it."""
    with subprocess.Popen(("unshare", "--net", "sleep", "300")) as holder:
        time.sleep(0.3)
        pid = str(holder.pid)
        inside = ("nsenter", "--target", pid, "--net")
        for argv in (
            ("hostname", "bench"),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", pid),
            ("ip", "address", "add", f"{NEAR}/24", "dev", "near"),
            ("ip", "link", "set", "near", "up"),
            (*inside, "ip", "address", "add", f"{FAR}/24", "dev", "far"),
            (*inside, "ip", "link", "set", "far", "up"),
        ):
            subprocess.run(argv, check=True)
        yield inside
        holder.kill()


CAPTURES = {
    "iperf3": iperf3,
    "sockperf": sockperf,
    "sockperf-udp": sockperf_udp,
    "netperf": netperf,
    "socat": socat,
}


def main() -> None:
    tool, version, binary, *wanted = sys.argv[1:]
    folder = Path(__file__).parent / tool / version
    folder.mkdir(parents=True, exist_ok=True)
    capture = Capture(folder, ".json" if tool == "iperf3" else ".txt", binary, tuple(wanted))
    if wanted:
        capture.cases |= json.loads((folder / "cases.json").read_text())
    with far_namespace() as far:
        CAPTURES[tool](capture, far)
    (folder / "cases.json").write_text(json.dumps(capture.cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
