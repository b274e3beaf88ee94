"""Make the golden files of one tool's version: real output, from namespaces of its own.

    unshare --user --map-root-user --net --uts \
        python tests/golden/capture.py iperf3 3.18 /usr/bin/iperf3
    ... capture.py sockperf 3.7 /usr/bin/sockperf
    ... capture.py sockperf-udp 3.7 /usr/bin/sockperf
    ... capture.py netperf 2.7.1 /usr/bin/netperf
    ... capture.py iperf3 3.18 /usr/bin/iperf3 udp-burst udp-flooded    (these cases alone)
    ... capture.py socat 1.8.0 /bin/sh
    ... capture.py socat-names 1.8.0 /bin/sh

Traffic stays on the loopback of the new namespace, or on a veth pair to a second one. The commands
are those of the probes, run whole; what a case adds is in its name. Sessions that are held and let
go on are made by `capture_sessions.py`. Every case is a file of standard output
and an entry (argv, exit code, standard error) in `cases.json` beside it.
"""

import json
import os
import signal
import socket
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
    NameLookup,
    TcpConnect,
    TcpRate,
    TcpRoundTrip,
    UdpRate,
    UdpRoundTrip,
)
from netbench.spec import Family

LOCAL = "127.0.0.1"
NEAR, FAR, NOBODY, NOWHERE = "198.18.0.1", "198.18.0.2", "198.18.0.9", "198.19.0.1"
IPERF3 = TcpRate(seconds=1, omit=1, interval=0.5)
IPERF3_LONG = TcpRate(seconds=3, omit=0, interval=0.5)
IPERF3_MORE = (
    ("paced", TcpRate(seconds=1, omit=1, streams=2, rate="200M", interval=0.5), LOCAL),
    ("udp-rate", UdpRate(rate="20M"), FAR),
    ("udp-burst", UdpRate(rate="20M", volume=500_000), FAR),
    ("udp-flooded", UdpRate(rate="100G", volume=2**26), FAR),
    ("udp-too-long", UdpRate(rate="20M", length=2000, dont_fragment=True), FAR),
)
"""Cases of the probes' own parameters; FAR lies behind a link of MTU 1500."""
SOCKPERF, UDP, NETPERF = TcpRoundTrip(), UdpRoundTrip(), TcpConnect()
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
        return (*unpaced(IPERF3.client_argv(address, port, None)), *more)

    plain = {
        "ok": (),
        "cubic": ("-C", "cubic"),
        "parallel": ("-P", "2"),
        "reverse": ("-R",),
        "bidirectional": ("--bidir",),
        "bidirectional-parallel": ("--bidir", "-P", "2"),
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
            argv = unpaced(IPERF3_LONG.client_argv(LOCAL, port, None))
            capture.interrupt(name, argv, server, sign)
    port = next(PORTS)
    with capture.server(IPERF3.server_argv(LOCAL, port)):
        argv = unpaced(IPERF3_LONG.client_argv(LOCAL, port, None))
        capture.interrupt("client-terminated", argv, None, signal.SIGTERM)
    port = next(PORTS)
    with capture.server(IPERF3.server_argv(LOCAL, port)):
        first = capture.spawn(client(port))
        time.sleep(0.5)
        capture.run("busy", client(port))
        first.communicate(timeout=10)


def unpaced(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return iperf3's command without its rate."""
    return argv[: argv.index("-b")]


def sockperf(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, *more: str, address: str = LOCAL, seconds: float = 1) -> tuple[str, ...]:
        return (*unlogged(SOCKPERF.session_argv(address, port, None, seconds)), *more)

    del far
    for name, argv in {
        "ok": client(20500),
        "half-round-trip": tuple(part for part in client(20502) if part != "--full-rtt"),
    }.items():
        port = int(argv[argv.index("-p") + 1])
        with capture.server(SOCKPERF.server_argv(LOCAL, port)):
            capture.run(name, argv)
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
            capture.interrupt(name, client(port, seconds=3), None, sign)
    port = next(PORTS)
    with capture.server(SOCKPERF.server_argv(LOCAL, port)) as server:
        capture.interrupt("server-killed", client(port, seconds=3), server, signal.SIGKILL)
    port = next(PORTS)
    with mute(port):
        capture.run("no-answer", client(port))


def unlogged(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return sockperf's command without its log, which holds megabytes."""
    return argv[: argv.index("--full-log")]


def sockperf_udp(capture: Capture, far: tuple[str, ...]) -> None:
    def client(address: str = LOCAL) -> tuple[str, ...]:
        return unlogged(UDP.session_argv(address, next(PORTS), None, 1))

    del far
    capture.run("refused", client())
    capture.run("network-unreachable", client(NOWHERE))
    capture.run("no-route-to-host", client(NOBODY))


def netperf(capture: Capture, far: tuple[str, ...]) -> None:
    def client(port: int, address: str = FAR) -> tuple[str, ...]:
        return NETPERF.session_argv(address, port, None, 10)

    port = next(PORTS)
    with capture.server(NETPERF.server_argv(FAR, port), far):
        capture.run("usage", tuple("NONE" if word == "TCP_CRR" else word for word in client(port)))
    capture.run("refused", client(next(PORTS)))
    capture.run("network-unreachable", client(next(PORTS), NOWHERE))
    capture.run("no-route-to-host", client(next(PORTS), NOBODY))
    port = next(PORTS)
    with capture.server(NETPERF.server_argv(FAR, port), far) as server:
        process = capture.spawn(client(port))
        time.sleep(0.5)
        server.kill()
        capture.keep("server-killed", client(port), process)


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


def socat_names(capture: Capture, far: tuple[str, ...]) -> None:
    """The tool is a shell, which calls socat; the name server is that of the tests' lab."""
    del far
    probe, peer = NameLookup(repeats=1, outside="outside.example"), "netbench-peer"
    file = Path("/tmp/netbench-golden-resolv.conf")  # noqa: S108 -- its name stays in the captures

    def call(server: str, patience: int = 5) -> tuple[str, ...]:
        file.write_text(server)
        shell, option, script, zero, _, *questions = probe.argv(peer, Family.V4)
        script = script.replace("/etc/resolv.conf", str(file))
        return (shell, option, script, zero, str(patience), *questions)

    known, local = (f"{peer}={FAR}", f"outside.example={NOBODY}"), f"nameserver {LOCAL}\n"
    with name_server(*known):
        capture.run("ok", call(local))
    with name_server(f"*={NOBODY}"):
        capture.run("every-name-exists", call(local))
    capture.run("refused", call(local))
    capture.run("no-server", call("search example\n"))
    capture.run("no-such-tool", ("sh", "-c", "echo server 127.0.0.1 >&2; no-such-tool"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOCAL, 53))
        capture.run("no-answer", call(local, patience=1))
    file.unlink()


@contextmanager
def name_server(*known: str) -> Iterator[None]:
    """Have the lab's name server answer."""
    script = Path(__file__).parents[1] / "lab" / "nameserver"
    argv = (sys.executable, str(script), LOCAL, *known)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


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
    "socat-names": socat_names,
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
