"""Containers that share namespaces to read from: the engine's host's, or a container's."""

import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path, PurePosixPath
from signal import SIGKILL
from typing import Final

from docker.errors import NotFound

from netbench.engines.base import Endpoint, Network
from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import LIFETIME, ROOT, USER, Maker, Sharing, endpoint_of
from netbench.engines.docker.exec import DockerProcess, Launchers, inner_pid, shows
from netbench.engines.docker.networks import describe
from netbench.engines.subnets import Subnet
from netbench.errors import EngineError, EngineLost
from netbench.record import Completed
from netbench.spec import Role
from netbench.system.files import LOCAL, NOWHERE, Files, Unnumbered
from netbench.system.setns import may_enter

QUICK: Final = 20.0  # seconds that a command which only reads may take
SEE: Final = "SYS_PTRACE"  # the capability to read the namespaces of another's process
_ROOTS_FILE: Final = "/proc/net/nf_conntrack"  # root reads it without any capability
_NOT_SHARED: Final = ("cgroup", "ipc", "mnt", "time", "user", "uts")
"""Kinds of namespace that the helper has of its own, or perhaps has."""
_LATE: Final = 2.0  # seconds beyond its time after which a script counts as lost
_KILLED: Final = 128 + SIGKILL
_PLAIN: Final = re.compile(r"[\w/.:*-]+")  # paths without a character that is special to a shell


class EngineHost:
    """The host endpoint, made at its first use; safe to use from several threads."""

    def __init__(self, maker: Maker) -> None:
        """Nothing is made yet."""
        self._maker = maker
        self.launchers = Launchers(maker.clients)
        self._lock = threading.RLock()
        self._made: Endpoint | None = None
        self._container = ""
        self._anchor = ""
        self._looked = False
        self.visits: set[str] = set()  # helpers of other containers, in which tools run as root
        self.local = False
        self.ask: Callable[[str, float], str] | None = None
        self.files: Files = NOWHERE
        self.processes: Files = NOWHERE  # those of processes, if numbered as the engine does

    def get(self) -> Endpoint:
        """Return the endpoint, which shares all of the host's namespaces but mnt if it may."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Endpoint:
        # The lifetime distinguishes this container's command from any other of the same pid.
        command = ("sleep", str(LIFETIME + secrets.randbelow(10**6)))
        if self.apart:
            # Podman makes its host's namespace with the first container on a bridge.
            self._anchor = self._maker.create(self._maker.order("anchor", Sharing("bridge"))).id
        order = self._maker.order("host", Sharing("host", host=True), command)
        try:
            made = self._maker.create(order)
        except EngineError:
            made = self._maker.create(replace(order, sharing=Sharing("host")))

        def shown(files: Files) -> bool:
            return shows(files, made.pid, made.id, command)

        self._container = made.id
        self.local = shown(LOCAL)
        if self.local:
            self.processes = self.files = LOCAL
        else:
            self.ask = self._ask
            files = ShellFiles(self._read)
            numbered = shown(files)
            self.processes = files if numbered else NOWHERE
            self.files = files if numbered else Unnumbered(files)
        stands_in = (("mnt", self._mount_namespace()),)
        return replace(made, stands_in=stands_in)

    @property
    def apart(self) -> bool:
        """Whether what the engine calls `host` is not the namespace of its bridges."""
        return self._maker.host_network != "host"

    def start(
        self, container: str, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> DockerProcess:
        """Start a tool in a container by the shell there, which the first tool starts."""
        reads = container == self._container and argv == ("cat", _ROOTS_FILE)
        launcher = self.launchers.of(container, ROOT if reads or container in self.visits else USER)
        return DockerProcess(launcher, argv, cpu=cpu, limit=limit, processes=self.processes)

    def run(self, argv: tuple[str, ...]) -> Completed:
        """Run a command in the host endpoint, which only reads, to its end."""
        return self.start(self.get().id, argv, cpu=None, limit=QUICK).wait(QUICK)

    def shell_files(self) -> Files:
        """Return the files that a container on the engine's machine has."""
        self.get()
        return ShellFiles(self._read)

    def taken_subnets(self) -> list[Subnet]:
        """Return the destinations of the host's routes and the subnets of the engine's networks."""
        printed = self.run(("sh", "-c", "ip -j -4 route; ip -j -6 route")).stdout.splitlines()
        with self._maker.clients.lend("list networks") as api:
            configured = [network["IPAM"]["Config"] or () for network in api.networks()]
        pools = [str(pool["Subnet"]) for several in configured for pool in several]
        own = [ip_network(pool, strict=False) for pool in pools]
        return own + [subnet for line in printed if line.strip() for subnet in routed(line)]

    def has_ipv6(self) -> bool:
        """Tell whether links that are made on the engine's host have IPv6."""
        setting = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        return self.run(("cat", setting)).stdout.strip() == "0"

    def _ask(self, script: str, seconds: float) -> str:
        return self._read(script, seconds).decode(errors="replace")

    def _read(self, script: str, seconds: float = QUICK) -> bytes:
        """Return what a script prints, run without rights; `EngineError` if it does not end."""
        try:
            launcher = self.launchers.of(self._container, USER)
            job = launcher.start(("timeout", "-s", "KILL", str(seconds), "sh", "-c", script))
        except EngineError as error:
            raise EngineLost(f"the shell on the engine's host is gone: {error}") from error
        ended = job.ended.came.wait(seconds + _LATE)
        if not ended or job.code == _KILLED:
            raise EngineError(f"a script on the engine's host did not end in {seconds:.0f} s")
        found = launcher.fetch(job)
        if found is None:
            raise EngineLost("the shell on the engine's host is gone")
        return found[0]

    def describe(self) -> str:
        """Return what was made, and with which rights, in words."""
        made = (
            f"made the container {self.get().name} in the host's namespaces to read from; it has "
            "no capabilities, no new privileges, a read-only root and no root user, but that "
            f"{_ROOTS_FILE} is read as root"
        )
        if self._looked:
            made += (
                "; for the inode of the daemon's mount namespace a container with CAP_SYS_PTRACE "
                "and the host's pid namespace ran `readlink` once"
            )
        if self.ask:
            made += (
                "; the engine's processes are not in this machine's /proc, so a shell in that "
                "container reads files and measures the state of the trial's CPUs"
            )
        return made

    def _daemon(self) -> int | None:
        return self._maker.clients.target.daemon_pid() if self.local else None

    def _mount_namespace(self) -> int | None:
        """Return the inode of the daemon's mount namespace, which no container ever shares."""
        pid = self._daemon()
        if pid is None:
            return None
        link = f"/proc/{pid}/ns/mnt"
        with suppress(OSError):
            return Path(link).stat().st_ino
        sharing = Sharing("none", pids="host")
        with suppress(EngineError):
            seen = self._maker.once(self._maker.order("look", sharing, ("readlink", link), SEE))
            self._looked = True
            inode = re.fullmatch(r"mnt:\[(\d+)\]", seen.strip())
            return int(inode[1]) if inode else None
        return None

    def visit(self, name: str) -> Endpoint:
        """Return any container, with a helper beside it that shares network and processes."""
        self.get()
        visited, first = _look_up(self._maker.clients, name, self.files)
        same = f"container:{visited.id}"
        order = self._maker.order(f"visit-{visited.name}", Sharing(same, pids=same), capability=SEE)
        seen = self._maker.create(order).id
        self.visits.add(seen)
        found: dict[str, int] = {}
        if first:
            links = (f"/proc/{first}/ns/{kind}" for kind in _NOT_SHARED)
            try:
                started = self.start(seen, ("readlink", *links), cpu=None, limit=QUICK)
                printed = started.wait(QUICK).stdout
            except BaseException:
                self.remove(seen)
                raise
            inodes = re.findall(r"^(\w+):\[(\d+)\]$", printed, re.MULTILINE)
            found = {kind: int(inode) for kind, inode in inodes}
        for kind in _NOT_SHARED if self.local else ():
            with suppress(OSError):
                found[kind] = Path(f"/proc/{visited.pid}/ns/{kind}").stat().st_ino
        stands_in = tuple((kind, found.get(kind)) for kind in _NOT_SHARED)
        return replace(visited, id=seen, stands_in=stands_in)

    def remove(self, container: str) -> None:
        """Remove a container with every process in it."""
        self.launchers.forget(container)
        self._maker.remove(container)
        self.visits.discard(container)

    def sandbox(self, network: Network) -> Endpoint | None:
        """Return an overlay's own namespace, which its containers make; None if out of reach."""
        host, daemon = self.get(), self._daemon()
        if daemon is None or host.sandbox_key is None or not may_enter(host.pid):
            return None
        folder = str(PurePosixPath(host.sandbox_key).parent)
        root = f"/proc/{daemon}/root"
        if folder.startswith("/var/run/") and Path(f"{root}/var/run").is_symlink():
            # An absolute link would lead back into our own tree.
            folder = folder.removeprefix("/var")
        return Endpoint(
            id=network.id,
            name=network.ipam.network if network.ipam else network.id,
            role=Role.SANDBOX,
            pid=daemon,
            address=None,
            ipam=network.ipam,
            netns=f"{root}{folder}/1-{network.id[:10]}",
        )

    def close(self) -> None:
        """Remove what was made."""
        with self._lock:
            made, self._made = self._made, None
            anchor, self._anchor = self._anchor, ""
        for container in filter(None, (made.id if made else "", anchor)):
            self.remove(container)

    def forget(self) -> None:
        """Let go of the endpoint, which is kept."""
        with self._lock:
            self._made, self._anchor = None, ""


@dataclass(frozen=True)
class ShellFiles:
    """`Files` that a shell reads."""

    run: Callable[[str], bytes]  # runs a script and returns what it prints
    mark: str = field(default_factory=lambda: secrets.token_hex(16))

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what is there, all by one message and one process; an empty file is left out."""
        if not paths:
            return {}
        for path in paths:
            if not _PLAIN.fullmatch(path):
                raise ValueError(f"not a plain path: {path!r}")
        between = f"/tmp/.netbench-{self.mark}"  # noqa: S108 - the container's own
        script = (
            f"[ -e {between} ] || printf %s {self.mark} >{between}; set --; "
            f'for f in {" ".join(paths)}; do [ -r $f ] && echo $f && set -- "$@" {between} $f; '
            f'done; cat /dev/null "$@"'
        )
        names, *contents = self.run(script).split(self.mark.encode())
        found = zip(names.decode(errors="replace").splitlines(), contents, strict=True)
        return {name: content for name, content in found if content}


def routed(printed: str) -> tuple[Subnet, ...]:
    """Return the destinations in the output of `ip -j route`, except the default."""
    try:
        found = [str(route["dst"]) for route in json.loads(printed)]
        return tuple(ip_network(dst, strict=False) for dst in found if dst != "default")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"the host's routes are unreadable: {error!r}: {printed[:200]}"
        raise EngineError(why) from error


def _look_up(clients: Clients, name: str, files: Files) -> tuple[Endpoint, int | None]:
    """Return a running container, and its first process in its pid namespace if `files` show it."""
    with clients.lend(f"inspect container {name}") as api:
        try:
            seen = api.inspect_container(name)
        except NotFound as error:
            why = f"the engine has no container {name}"
            raise EngineError(why, hint="list them: docker ps") from error
        if not seen["State"]["Running"] or not seen["State"]["Pid"]:
            state = seen["State"].get("Status") or "not running"
            raise EngineError(
                f"container {name} has no namespaces to look at: it is {state}",
                hint=f"start it: docker start {name}",
            )
        attached = (seen["NetworkSettings"]["Networks"] or {}).values()
        ids = [str(network["NetworkID"]) for network in attached if network["NetworkID"]]
        network = describe(api.inspect_network(ids[0]), clients.dialect) if ids else None
    found = endpoint_of(seen, Role.SERVER, network)
    mode = str(seen["HostConfig"].get("PidMode") or "private")
    first = {"host": found.pid, "private": 1}
    return found, first[mode] if mode in first else inner_pid(files, found.pid)
