"""The docker engine: `Engine` over the Docker Engine API."""

import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from netbench.engines.base import Endpoint, Network, Owned
from netbench.engines.docker import endpoints, facts, machine, ownership, procfs
from netbench.engines.docker.client import Clients, daemon_pid
from netbench.engines.docker.endpoints import Container, Sharing
from netbench.engines.docker.exec import DockerProcess, start
from netbench.engines.docker.image import Image, prepare
from netbench.engines.docker.networks import Networks, default
from netbench.errors import EngineError, EngineLost
from netbench.record import Completed, FactValue
from netbench.spec import Attach, CpuTopology, NetworkSpec, Recipe, Role

_QUICK: Final = 20.0
"""Seconds that a command which only reads may take."""


class DockerEngine:
    """One run's hold on a Docker Engine.

    `local` is known once the host endpoint is made (`prepare`, `host`); it is False before.
    """

    name = "docker"

    def __init__(self, clients: Clients, run: str, image: str | None) -> None:
        """Ask the engine what it is; `image` as `--image`, None for this host's own tools.

        Raises:
            EngineError: it refuses to tell.
        """
        with clients.lend("ask the engine what it is") as api:
            self._info: Mapping[str, Any] = api.info()
            self._version: Mapping[str, Any] = api.version()
        target = clients.target
        self.why = f"the Docker Engine answers at {target.url} ({target.origin})"
        self.local = False
        self._clients = clients
        self._run = run
        self._wanted = image
        self._labels = ownership.labels(run)
        self._init = facts.component(self._version, "docker-init") is not None
        self._networks = Networks(clients, self._labels, self._host_routes)
        self._lock = threading.RLock()
        self._image: Image | None = None
        self._host: Endpoint | None = None
        self._looked = False
        self._tools: Mapping[str, str] | None = None
        self._topology: CpuTopology | None = None

    def prepare(self) -> tuple[str, ...]:
        """Make the probe image and the host endpoint, and check the tools in it."""
        image = self._have_image()
        host = self.host()
        if self._wanted is not None:
            machine.check_tools(self._in_host())
        self.tools()
        return (image.done, self._describe_helper(host))

    def _have_image(self) -> Image:
        with self._lock:
            if self._image is None:
                architecture = str(self._info.get("Architecture"))
                self._image = prepare(self._clients, self._wanted, architecture)
            return self._image

    def facts(self) -> Mapping[str, FactValue]:
        """Return the facts `engine.*`."""
        return {
            **facts.engine_facts(self._info, self._version, self._clients.target),
            **facts.image_facts(self._image),
        }

    def _mount_namespace(self) -> int | None:
        """Return the inode of the daemon's mount namespace, which no container ever shares.

        Who is not root may not see it, but a container with the right to look at processes may,
        where no security module forbids it.
        """
        path = self._clients.target.socket
        pid = daemon_pid(path) if path is not None and self.local else None
        if pid is None:
            return None
        link = f"/proc/{pid}/ns/mnt"
        with suppress(OSError):
            return Path(link).stat().st_ino
        image = self._have_image().reference
        try:
            seen = endpoints.look(
                self._clients, self._unique("look"), image, self._labels, ("readlink", link)
            )
        except EngineLost:
            raise
        except EngineError:
            return None
        self._looked = True
        inode = seen.strip().removeprefix("mnt:[").rstrip("]")
        return int(inode) if inode.isdecimal() else None

    def tools(self) -> Mapping[str, str]:
        """Return the first line that each tool in the image says of its version."""
        with self._lock:
            if self._tools is None:
                self._tools = machine.tool_versions(self._in_host())
            return self._tools

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs containers can be pinned to."""
        with self._lock:
            if self._topology is None:
                self._topology = machine.cpu_topology(self._in_host())
            return self._topology

    def unsupported(self, recipe: Recipe) -> str | None:
        """Return why the engine cannot make a recipe, from what it says of itself."""
        attaches = (recipe.client, recipe.server)
        security = tuple(map(str, self._info.get("SecurityOptions") or ()))
        if Attach.HOST in attaches and "name=userns" in security:
            return "the engine remaps users (userns-remap) and then refuses the host's network"
        if Attach.DEFAULT in attaches and default(self._clients) is None:
            return "the engine has no default bridge network"
        known = (self._info.get("Plugins") or {}).get("Network") or ()
        if recipe.network is not None and recipe.network.driver not in known:
            return (
                f"the engine has no network driver {recipe.network.driver}; "
                f"it has {', '.join(known) or 'none'}"
            )
        return None

    def host(self) -> Endpoint:
        """Return a container in the host's namespaces: all but mnt, where the engine allows it."""
        with self._lock:
            if self._host is None:
                self._host = self._make_host()
            return self._host

    def _make_host(self) -> Endpoint:
        # The lifetime tells this container's command from any other of the same pid elsewhere.
        command = endpoints.main_process(endpoints.LIFETIME + secrets.randbelow(10**6))
        try:
            made = self._container("host", Sharing("host", host=True), (), command)
        except EngineLost:
            raise
        except EngineError:
            made = self._container("host", Sharing("host"), (), command)
        unix = self._clients.target.socket is not None
        self.local = unix and procfs.shows(made.pid, made.id, command)
        stands_in = (("mnt", self._mount_namespace()),)
        return Endpoint(made.id, made.name, Role.HOST, made.pid, None, None, stands_in)

    def _describe_helper(self, host: Endpoint) -> str:
        looked = (
            "; for the inode of the daemon's mount namespace a container with CAP_SYS_PTRACE and "
            "the host's pid namespace ran `readlink` once"
        )
        return (
            f"made the container {host.name} in the host's namespaces to read from; it has no "
            "capabilities, no new privileges, a read-only root and no root user"
            f"{looked if self._looked else ''}"
        )

    def _in_host(self) -> machine.Run:
        # The endpoint is fetched first: the commands may run in threads, which must not wait for
        # the lock that their starter holds.
        host = self.host()
        return lambda argv: self.run(host, argv, timeout=_QUICK)

    def _host_routes(self) -> str:
        return self._in_host()(("ip", "-j", "-4", "route")).stdout

    def _container(
        self, name: str, sharing: Sharing, cpus: tuple[int, ...], command: tuple[str, ...]
    ) -> Container:
        return endpoints.create(
            self._clients,
            self._unique(name),
            sharing,
            image=self._have_image().reference,
            labels=self._labels,
            cpus=cpus,
            init=self._init,
            command=command,
        )

    def _unique(self, name: str) -> str:
        plain = re.sub(r"[^a-zA-Z0-9_.-]", "-", f"{self._run}-{name}")
        return f"netbench-{plain}-{secrets.token_hex(3)}"

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network with a free /24."""
        return self._networks.create(self._unique(name), spec)

    def create_endpoint(
        self,
        name: str,
        role: Role,
        attach: Attach,
        *,
        network: Network | None,
        peer: Endpoint | None,
        cpus: tuple[int, ...],
    ) -> Endpoint:
        """Make and start a container."""
        joined = self._joined(attach, network)
        made = self._container(
            name, Sharing(_mode(attach, network, peer)), cpus, endpoints.main_process()
        )
        return Endpoint(
            id=made.id,
            name=made.name,
            role=role,
            pid=made.pid,
            address=made.addresses.get(joined.id) if joined else None,
            ipam=joined.ipam if joined else None,
        )

    def _joined(self, attach: Attach, network: Network | None) -> Network | None:
        if attach is Attach.NETWORK:
            return network
        if attach is Attach.DEFAULT:
            return default(self._clients)
        return None

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove a container with every process in it."""
        endpoints.remove(self._clients, endpoint.id)

    def remove_network(self, network: Network) -> None:
        """Remove a network."""
        self._networks.remove(network)

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> DockerProcess:
        """Start a tool by `docker exec`."""
        return start(self._clients, endpoint.id, argv, cpu=cpu, limit=limit, local=self.local)

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a short command to its end."""
        return self.start(endpoint, argv, cpu=None, limit=timeout).wait(timeout)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries our label."""
        return ownership.owned(self._clients, run)

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`."""
        ownership.remove(self._clients, thing)

    def close(self) -> None:
        """Remove the host endpoint and let go; a lost engine is let go in silence."""
        with self._lock:
            host, self._host = self._host, None
        with suppress(EngineLost):
            if host is not None:
                self.remove_endpoint(host)
        self._clients.close()


def _mode(attach: Attach, network: Network | None, peer: Endpoint | None) -> str:
    """Return Docker's network mode for an attachment.

    Raises:
        EngineError: it needs a network or a peer, and there is none.
    """
    if attach is Attach.NETWORK and network is not None:
        return network.id
    if attach is Attach.PEER and peer is not None:
        return f"container:{peer.id}"
    if attach in (Attach.NETWORK, Attach.PEER):
        raise EngineError(f"an endpoint attached to a {attach} was asked for without one")
    return {Attach.NONE: "none", Attach.HOST: "host", Attach.DEFAULT: "bridge"}[attach]
