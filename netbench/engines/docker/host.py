"""The container in the namespaces of the engine's host, and what can be told from there."""

import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from netbench.engines.base import Endpoint, Network
from netbench.engines.docker import endpoints, procfs
from netbench.engines.docker.client import Clients, daemon_pid
from netbench.engines.docker.container_factory import Maker
from netbench.engines.docker.endpoints import EndpointContainer, Sharing
from netbench.engines.docker.launcher import Launchers
from netbench.engines.docker.shell import HostShell, ShellFiles
from netbench.errors import EngineError
from netbench.spec import Role
from netbench.system.files import LOCAL, NOWHERE, Files, Unnumbered
from netbench.system.setns import may_enter

ROOTS_FILES: Final = ("/proc/net/nf_conntrack",)
"""Files of the host that only root may read, if without any capability."""
_SEE: Final = "SYS_PTRACE"
_SHELL: Final = (
    "; the engine's processes are not in this machine's /proc, so a shell in that container reads "
    "files and measures the state of the trial's CPUs"
)


class EngineHost:
    """Makes the host endpoint. Everything public but that is known once it is made."""

    def __init__(self, clients: Clients, maker: Maker, launchers: Launchers) -> None:
        """Nothing is made yet."""
        self._launchers = launchers
        self._clients = clients
        self._maker = maker
        self._made: EndpointContainer | None = None
        self._looked = False
        self.local = False
        """Whether the engine's machine is ours: whether its processes are in our own /proc."""
        self.shell: HostShell | None = None
        """What reads there where it is not."""
        self.files: Files = NOWHERE
        self.processes: Files = NOWHERE
        """The same, where the numbers of processes in them are those that the engine tells."""

    def make(self) -> Endpoint:
        """Make a container in the host's namespaces: all but mnt, where the engine allows it."""
        # The lifetime tells this container's command from any other of the same pid elsewhere.
        command = endpoints.main_process(endpoints.LIFETIME + secrets.randbelow(10**6))
        order = self._maker.order("host", Sharing("host", host=True), command)
        try:
            made = self._maker.create(order)
        except EngineError:
            made = self._maker.create(replace(order, sharing=Sharing("host")))
        self._made = made
        self._find(made, command)
        return Endpoint(
            id=made.id,
            name=made.name,
            role=Role.HOST,
            pid=made.pid,
            address=None,
            ipam=None,
            stands_in=(("mnt", self._mount_namespace()),),
            sandbox_key=made.sandbox_key,
        )

    def _find(self, made: EndpointContainer, command: tuple[str, ...]) -> None:
        """Find out, by looking for the container just made, whose /proc shows its processes."""
        self.local = procfs.shows(LOCAL, made.pid, made.id, command)
        if self.local:
            self.processes = self.files = LOCAL
            return
        self.shell = HostShell(self._launchers, made.id)
        files = ShellFiles(self.shell)
        if procfs.shows(files, made.pid, made.id, command):
            self.processes = self.files = files
        else:
            self.files = Unnumbered(files)

    def describe(self) -> str:
        """Return what was made, and with which rights, in words."""
        looked = (
            "; for the inode of the daemon's mount namespace a container with CAP_SYS_PTRACE and "
            "the host's pid namespace ran `readlink` once"
        )
        name = self._made.name if self._made else "(none)"
        return (
            f"made the container {name} in the host's namespaces to read from; it has no "
            "capabilities, no new privileges, a read-only root and no root user, but that "
            f"{' '.join(ROOTS_FILES)} is read as root{looked if self._looked else ''}"
            f"{_SHELL if self.shell else ''}"
        )

    def _daemon(self) -> int | None:
        """Return the pid of the daemon, None where it is not in our /proc."""
        path = self._clients.target.socket
        return daemon_pid(path) if path is not None and self.local else None

    def _mount_namespace(self) -> int | None:
        """Return the inode of the daemon's mount namespace, which no container ever shares.

        Who is not root may not see it, but a container with the right to look at processes may,
        where no security module forbids it.
        """
        pid = self._daemon()
        if pid is None:
            return None
        link = f"/proc/{pid}/ns/mnt"
        with suppress(OSError):
            return Path(link).stat().st_ino
        sharing = Sharing("none", pids="host")
        try:
            seen = self._maker.once("look", sharing, ("readlink", link), capability=_SEE)
        except EngineError:
            return None
        self._looked = True
        inode = seen.strip().removeprefix("mnt:[").rstrip("]")
        return int(inode) if inode.isdecimal() else None

    def sandbox(self, network: Network, host: Endpoint) -> Endpoint | None:
        """Return an overlay network's own namespace; None where we may not enter it.

        Its file appears beside those of the containers when the first one is attached, and is to
        be seen in the daemon's mount namespace alone.
        """
        daemon = self._daemon()
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
