"""Two machines as far as engines and links can tell: a Docker Engine on each, a wire between them.

The wire is one veth pair. No bridge lies between: with `br_netfilter` a bridge asks the firewall,
where Docker drops what it forwards.
"""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import docker
import trustme
from docker.errors import APIError
from support import inventory as one_engine
from support.dockerd import Lab
from support.hang import HANG
from support.program import wait_for
from support.require import require_or_skip

from netbench.engines.docker.image import collect, find_tools

WIRE = "wire0"
"""Name of the wire's link on either side."""
SLOW = f"{WIRE}-slow"
"""Where frames wait that are delayed: made by `tests/lab/delay`."""
ADDRESSES = {"a": "198.51.100.1", "b": "198.51.100.2"}
"""Of both sides on the wire, of RFC 5737's block."""
PREFIX = 24
SSH_PORT, TLS_PORT = 2222, 2376
PORTS = (("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789))
"""What a swarm with overlay networks needs: management, gossip, VXLAN."""
_LAB = Path(__file__).parent.parent / "lab"
_GATEWAY = "docker_gwbridge"
_SERVERS = {f"{name}-": address for name, address in ADDRESSES.items()}
_TLS = ",".join(f"{word}={{0}}/{word}.pem" for word in ("ca", "cert", "key"))
_CONFIG = """
Host {addresses}
    IdentityFile {keys}/user
    IdentitiesOnly yes
    UserKnownHostsFile {keys}/known_hosts
    GlobalKnownHostsFile none
"""
_SERVER = """
Port {port}
ListenAddress {address}
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
"""

Cut = Literal["down", "drop"]
"""A wire that is unplugged, which both sides see, or one that loses everything in silence."""


class Side(Lab):
    """One of the two machines: its engine, its end of the wire, the ways that lead to it."""

    name = ""
    keys = Path()
    arguments: tuple[str, ...] = ()

    @classmethod
    def open(cls, name: str, keys: Path) -> Self:
        """Start the engine, which serves its socket and, by certificates, a TCP port."""
        arguments = (
            *("--host", f"tcp://0.0.0.0:{TLS_PORT}", "--tlsverify"),
            *("--tlscacert", str(keys / "tls" / "ca.pem")),
            *("--tlscert", str(keys / f"{name}-cert.pem")),
            *("--tlskey", str(keys / f"{name}-key.pem")),
        )
        side = cls.start(None, *arguments)
        assert isinstance(side, cls)
        side.name, side.keys, side.arguments = name, keys, arguments
        return side

    @property
    def address(self) -> str:
        """On the wire."""
        return ADDRESSES[self.name]

    @property
    def before(self) -> tuple[str, ...]:
        """What puts a command on this machine: its network, its /run, its `ssh` configuration."""
        return ("nsenter", "--target", str(self.holder), "--net", "--mount")

    @property
    def ssh(self) -> str:
        """URL of the engine by `ssh`, for whoever is on either machine."""
        return f"ssh://root@{self.address}:{SSH_PORT}"

    @property
    def tls(self) -> Mapping[str, str]:
        """What names the engine by TLS to a Docker client on either machine."""
        url = f"tcp://{self.address}:{TLS_PORT}"
        return {
            "DOCKER_HOST": url,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.keys / "tls"),
        }

    @contextmanager
    def api(self) -> Iterator[docker.APIClient]:
        """A client of the engine that knows nothing of netbench."""
        client = docker.APIClient(base_url=f"unix://{self.socket}", timeout=60)
        try:
            yield client
        finally:
            client.close()

    def restart(self) -> None:
        """Start the daemon again that was killed."""
        command = (str(_LAB / "dockerd"), "restart", str(self.folder), *self.arguments)
        subprocess.run(command, timeout=HANG, check=True, capture_output=True)

    def end_gossip(self) -> None:
        """Restart the daemon if it still gossips after it has left its swarm.

        One that was killed in a swarm and came back may do so for ever, and in the next swarm it
        speaks with the old one's keys: "No installed keys could decrypt the message".
        """
        gossips = ("ss", "-H", "-l", "-n", "-u", "sport", "=", ":7946")
        try:
            wait_for(lambda: not self.inside(*gossips), within=5)
        except AssertionError:
            self.kill()
            self.restart()

    def open_ssh(self) -> None:
        """Let one key in by SSH, and let `ssh` on this machine use that key for both."""
        keys, text = self.keys / "ssh", {"address": self.address, "port": SSH_PORT}
        server = keys / f"{self.name}_config"
        server.write_text(_SERVER.format(keys=keys, **text))
        self.inside("mount", "--bind", str(keys / "config"), "/etc/ssh/ssh_config")
        self.inside("mkdir", "-p", "/run/sshd")
        self.inside("ln", "-s", str(self.socket), "/run/docker.sock")
        self.inside("/usr/sbin/sshd", "-f", str(server), "-E", str(keys / f"{self.name}.log"))

    def docker(self, *words: str) -> str:
        """Return what the docker command prints, which must succeed."""
        argv = ("docker", "--host", f"unix://{self.socket}", *words)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=HANG, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def endpoint(self, name: str, network: str, *words: str) -> None:
        """Start a container that serves iperf3; `words` are more options of `docker run`."""
        options = ("--detach", "--name", name, "--network", network, *words)
        self.docker("run", *options, self.image(), "iperf3", "--server")

    def image(self) -> str:
        """Return an image with the tools of netbench's own, and busybox, where the engine is."""
        with self.api() as api:
            if not api.images("lab"):
                archive, libraries = _tools()
                path = (f"ENV LD_LIBRARY_PATH={':'.join(libraries)}", "ENV PATH=/usr/bin")
                api.import_image_from_data(archive, "lab", "latest", changes=[*path])
        return "lab:latest"

    def close_port(self, protocol: str, port: int) -> None:
        """Drop what comes by the wire to a port, as a firewall of this machine would."""
        self._rules("inet", "closed", "type filter hook input priority -150;")
        rule = f"add rule inet closed arriving iifname {WIRE} {protocol} dport {port} drop"
        self.inside("nft", rule)

    def open_ports(self) -> None:
        """Open what was closed."""
        self.inside("nft", "destroy table inet closed")

    def cut(self) -> None:
        """Lose everything that comes by the wire, before anything of this machine sees it."""
        self._rules("netdev", "cut", f"type filter hook ingress device {WIRE} priority -500;")
        self.inside("nft", "add rule netdev cut arriving drop")

    def mend(self) -> None:
        """Lose nothing any more."""
        self.inside("nft", "destroy table netdev cut")

    def _rules(self, family: str, table: str, hook: str) -> None:
        text = f"add table {family} {table}; add chain {family} {table} arriving {{ {hook} }}"
        self.inside("nft", text)

    def sandboxes(self) -> set[str]:
        """Names of network namespaces that the engine keeps: of containers, overlays, the swarm."""
        mounts = Path(f"/proc/{self.holder}/mountinfo").read_text().splitlines()
        above = f"{self.folder}/exec/netns/"
        points = (line.split()[4] for line in mounts if " - nsfs " in line)
        return {point.removeprefix(above) for point in points if point.startswith(above)}

    def sandbox(self, network: str) -> tuple[str, ...]:
        """What puts a command into the namespace of an overlay network, by its id."""
        (name,) = (one for one in self.sandboxes() if one == f"1-{network[:10]}")
        return ("nsenter", f"--net={self.folder}/exec/netns/{name}")

    def counters(self, link: str = WIRE, within: tuple[str, ...] = ()) -> tuple[int, int]:
        """Bytes that a link of this machine, or of a namespace of it, has received and sent."""
        (row,) = json.loads(self.inside(*within, "ip", "-j", "-s", "link", "show", link))
        return row["stats64"]["rx"]["bytes"], row["stats64"]["tx"]["bytes"]

    def inventory(self) -> dict[str, Any]:
        """Everything that a run could leave behind here; see `support.inventory`."""
        return {
            **one_engine.inventory(self),
            "sandboxes": sorted(name for name in self.sandboxes() if name.startswith("1-")),
            "xfrm": self.inside("ip", "xfrm", "state") + self.inside("ip", "xfrm", "policy"),
            "qdiscs": self.inside("tc", "qdisc", "show", "dev", WIRE),
            "nftables": self.inside("nft", "list", "tables"),
        }


@cache
def _tools() -> tuple[bytes, tuple[str, ...]]:
    return collect({**find_tools(), "busybox": "/usr/bin/busybox"})


def _keys(folder: Path) -> None:
    """Make certificates for TLS and keys for SSH, of both sides and of the user of both."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    authority = trustme.CA()
    (folder / "tls").mkdir()
    authority.cert_pem.write_to_path(folder / "tls" / "ca.pem")
    for stem, identity in (("tls/", "client@netbench.test"), *_SERVERS.items()):
        made = authority.issue_cert(identity, not_after=until)
        made.cert_chain_pems[0].write_to_path(folder / f"{stem}cert.pem")
        made.private_key_pem.write_to_path(folder / f"{stem}key.pem")
    ssh = folder / "ssh"
    ssh.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / name))
        subprocess.run(command, check=True)
    host = (ssh / "host.pub").read_text()
    known = (f"[{address}]:{SSH_PORT} {host}" for address in ADDRESSES.values())
    (ssh / "known_hosts").write_text("".join(known))
    (ssh / "config").write_text(_CONFIG.format(addresses=" ".join(ADDRESSES.values()), keys=ssh))


class TwoEngines:
    """Both sides and the wire; `stop` leaves nothing of them."""

    def __init__(self, folder: Path, a: Side, b: Side) -> None:
        self.folder = folder
        self.a, self.b = a, b
        self._delays: list[subprocess.Popen[str]] = []

    @classmethod
    def start(cls) -> "TwoEngines":
        """Start both and join them; skip the test where that is not possible."""
        if shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
            require_or_skip("ssh", "no sshd; install: apt-get install openssh-server")
        folder = Path(tempfile.mkdtemp(prefix="netbench-two-", dir="/tmp"))
        started: list[Side] = []

        def opened(name: str) -> None:
            started.append(Side.open(name, folder))

        try:
            _keys(folder)
            with ThreadPoolExecutor() as both:
                for _ in both.map(opened, ADDRESSES):
                    pass
            two = cls(folder, *sorted(started, key=lambda side: side.name))
            two._wire()
            for side in two.sides:
                side.open_ssh()
        except BaseException:
            for side in started:
                side.stop()
            shutil.rmtree(folder)
            raise
        return two

    @property
    def sides(self) -> tuple[Side, Side]:
        """The manager of a swarm first."""
        return self.a, self.b

    def _wire(self) -> None:
        pair = f"{WIRE} type veth peer name {WIRE} netns {self.b.holder}"
        self.a.inside("ip", "link", "add", *pair.split())
        for side in self.sides:
            side.inside("ip", "addr", "add", f"{side.address}/{PREFIX}", "dev", WIRE)
            side.inside("ip", "link", "set", WIRE, "up")

    def mtu(self, size: int) -> None:
        """Let the wire carry so many bytes at most."""
        for side in self.sides:
            side.inside("ip", "link", "set", WIRE, "mtu", str(size))

    def shape(self, rate: str = "", delay: float = 0) -> None:
        """Limit what each side sends to a rate as tc names it, and delay it by so many seconds."""
        self.unshape()
        for side in self.sides:
            link = SLOW if delay and not self._netem(side, delay) else WIRE
            if link == SLOW:
                self._relay(side, delay)
            if rate:
                # Below netem where there is one: a root of the link, or the child of its class.
                place = "parent 1:1" if delay and link == WIRE else "root"
                bucket = f"{place} tbf rate {rate} burst 128kb latency 50ms"
                side.inside("tc", "qdisc", "add", "dev", link, *bucket.split())

    def _netem(self, side: Side, delay: float) -> bool:
        """Delay by the kernel's own means; false where it has none."""
        wish = f"root handle 1: netem delay {delay * 1e3:.3f}ms limit 20000"
        try:
            side.inside("tc", "qdisc", "add", "dev", WIRE, *wish.split())
        except subprocess.CalledProcessError:
            return False
        return True

    def _relay(self, side: Side, delay: float) -> None:
        command = (*side.before, sys.executable, str(_LAB / "delay"), WIRE, str(delay))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._delays.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    def unshape(self) -> None:
        """Neither limit nor delay any more."""
        for process in self._delays:
            process.kill()
            process.communicate()
        self._delays.clear()
        for side in self.sides:
            for which in ("root", "clsact"):
                with suppress(subprocess.CalledProcessError):  # there is none
                    side.inside("tc", "qdisc", "del", "dev", WIRE, which)

    @contextmanager
    def parted(self, how: Cut = "drop") -> Iterator[None]:
        """Keep the sides apart for as long as this lasts."""
        if how == "down":
            self.a.inside("ip", "link", "set", WIRE, "down")
        else:
            for side in self.sides:
                side.cut()
        try:
            yield
        finally:
            if how == "down":
                self.a.inside("ip", "link", "set", WIRE, "up")
            for side in self.sides:
                side.mend()

    def form_swarm(self) -> None:
        """Make A the manager of a swarm, and B a worker."""
        a, b = self.a.address, self.b.address
        with self.a.api() as api:
            api.init_swarm(advertise_addr=a, listen_addr=f"{a}:2377", data_path_addr=a)
            token = api.inspect_swarm()["JoinTokens"]["Worker"]
        with self.b.api() as api:
            api.join_swarm(
                [f"{a}:2377"],
                token,
                listen_addr=f"{b}:2377",
                advertise_addr=b,
                data_path_addr=b,
            )

    def leave_swarm(self) -> None:
        """Let every side leave it, and remove the bridges that came with it."""
        for side in (self.b, self.a):
            with side.api() as api:
                if api.info()["Swarm"]["LocalNodeState"] != "inactive":
                    api.leave_swarm(force=True)
        for side in self.sides:
            side.end_gossip()
            _remove_gateway(side)

    @contextmanager
    def swarm(self) -> Iterator[None]:
        """A swarm of both for as long as this lasts."""
        try:
            self.form_swarm()
            yield
        finally:
            self.leave_swarm()

    def contexts(self) -> Mapping[str, str]:
        """Make contexts of the docker command; return what lets a client find them.

        `unix-a` and `unix-b` are the sockets; `ssh-` and `tls-` lead over the wire.
        """
        folder = self.folder / "docker"
        found = {**os.environ, "DOCKER_CONFIG": str(folder)}
        if folder.exists():
            return {"DOCKER_CONFIG": str(folder)}
        folder.mkdir()
        (folder / "config.json").write_text("{}")  # without it the SDK finds no context
        certificates = _TLS.format(self.folder / "tls")
        for side in self.sides:
            ways = {
                f"unix-{side.name}": f"host=unix://{side.socket}",
                f"ssh-{side.name}": f"host={side.ssh}",
                f"tls-{side.name}": f"host={side.tls['DOCKER_HOST']},{certificates}",
            }
            for name, way in ways.items():
                command = ("docker", "context", "create", name, "--docker", way)
                subprocess.run(command, env=found, check=True, capture_output=True)
        return {"DOCKER_CONFIG": str(folder)}

    def inventory(self) -> dict[str, Any]:
        """Everything that a run could leave behind on either side."""
        return {
            f"{side.name}: {what}": seen
            for side in self.sides
            for what, seen in side.inventory().items()
        }

    def stop(self) -> None:
        """End both engines, and everything that runs under them; the wire goes with them."""
        for process in self._delays:
            process.kill()
            process.communicate()
        with ThreadPoolExecutor() as both:
            for _ in both.map(Side.stop, self.sides):
                pass
        shutil.rmtree(self.folder)


def _remove_gateway(side: Side) -> None:
    def gone() -> bool:
        if api.networks([_GATEWAY]):
            with suppress(APIError):  # the swarm's own endpoint may still be there
                api.remove_network(_GATEWAY)
        return not api.networks([_GATEWAY])

    with side.api() as api:
        try:
            wait_for(gone, within=60)
        except AssertionError as error:
            error.add_note(f"{side.name}: {api.inspect_network(_GATEWAY)}")
            raise
