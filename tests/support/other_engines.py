"""Engines other than root's dockerd, each in namespaces of its own: rootless Docker, and Podman."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from support.require import require_or_skip
from support.spaces import Spaces
from support.user import USER
from support.walks import CGROUPS, deepest_first, folders

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin:/usr/share/docker.io/contrib:/usr/lib/podman"
_WITHIN = 60.0
MACHINE = "198.51.100.1"
"""Address of the machine that a rootless engine runs on, RFC 5737's block for documentation."""
_RUNTIME = f"/run/user/{USER}"
_USERS_TOOLS = {"newuidmap": "uidmap", "slirp4netns": "slirp4netns"}


class OtherEngine:
    """A daemon that answers at a socket; `stop` leaves nothing of it."""

    def __init__(self, name: str, socket: str, tools: Mapping[str, str]) -> None:
        """`tools` are what it takes, each with the package that holds it."""
        if os.geteuid() != 0:
            require_or_skip(name, f"{name} in namespaces of its own needs root")
        missing = [tool for tool in tools if shutil.which(tool, path=_PATH) is None]
        if missing:
            packages = " ".join(dict.fromkeys(tools[tool] for tool in missing))
            require_or_skip(name, f"no {', '.join(missing)}; install: apt-get install {packages}")
        self.name = name
        self.socket = socket
        self.folder = Path(tempfile.mkdtemp(prefix=f"netbench-{name}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.spaces = Spaces()
        self.spaces.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        self.daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What names this engine to a Docker client that runs in its namespaces."""
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    def launch(self, before: Sequence[str], environment: Mapping[str, str], *argv: str) -> None:
        """Start the daemon and wait until it answers; skip with its last words where it ends."""
        log = self.folder / "log"
        words = [f"{key}={value}" for key, value in {"PATH": _PATH, **environment}.items()]
        with log.open("wb") as said:
            self.daemon = subprocess.Popen(
                (*self.spaces.before, *before, "env", "-i", *words, *argv),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        socket = Path(f"/proc/{self.spaces.pid}/root{self.socket}")
        deadline = time.monotonic() + _WITHIN
        while not socket.is_socket():
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                end = " | ".join(log.read_text(errors="replace").splitlines()[-8:])
                self.stop()
                require_or_skip(self.name, f"{argv[0]} does not start here: {end}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End everything that runs in its namespaces."""
        self.spaces.stop()
        if self.daemon is not None:
            self.daemon.wait()
        for group in folders(CGROUPS, "libpod_parent"):
            for folder in deepest_first(group):
                with suppress(OSError):
                    folder.rmdir()
        shutil.rmtree(self.folder)


def _ordinary_user(engine: OtherEngine) -> tuple[tuple[str, ...], dict[str, str]]:
    """Prepare for an engine of an ordinary user's; return what becomes it, and its environment."""
    run, folder = engine.spaces.run, engine.folder
    for place in (_RUNTIME, str(folder / "home")):
        run("install", "-d", "-m", "700", "-o", str(USER), "-g", str(USER), place)
    run("cp", "-a", "/etc", str(folder / "etc"))
    for name in ("subuid", "subgid"):
        (folder / "etc" / name).write_text(f"{USER}:100000:65536\n")
    run("mount", "--bind", str(folder / "etc"), "/etc")
    run("ip", "address", "add", f"{MACHINE}/32", "dev", "lo")
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    return user, {"HOME": str(folder / "home"), "XDG_RUNTIME_DIR": _RUNTIME}


def rootless(port_driver: str = "builtin") -> OtherEngine:
    """A Docker Engine that an ordinary user started, with ids of its own for its containers."""
    tools = {
        "dockerd-rootless.sh": "docker.io",
        "rootlesskit": "rootlesskit",
        **_USERS_TOOLS,
    }
    engine = OtherEngine("rootless", f"{_RUNTIME}/docker.sock", tools)
    user, environment = _ordinary_user(engine)
    environment["DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER"] = port_driver
    engine.launch(user, environment, "dockerd-rootless.sh", "--config-file", "/dev/null")
    return engine


def podman() -> OtherEngine:
    """Podman's service, as root, that speaks the Docker Engine's API."""
    tools = {"podman": "podman", "netavark": "netavark", "runc": "runc", "nft": "nftables"}
    engine = OtherEngine("podman", "/run/podman/podman.sock", tools)
    engine.spaces.run("mkdir", "/run/podman")
    environment = {"HOME": str(engine.folder), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    options = ("--root", str(engine.folder / "data"), "--runroot", "/run/podman/state")
    serve = ("system", "service", "--time=0", f"unix://{engine.socket}")
    engine.launch(
        (), environment, "podman", *options, "--cgroup-manager=cgroupfs", "--runtime=runc", *serve
    )
    return engine


def rootless_podman() -> OtherEngine:
    """Podman's service, of an ordinary user."""
    tools = {"podman": "podman", "netavark": "netavark", "runc": "runc", "pasta": "passt"}
    engine = OtherEngine("rootless-podman", f"{_RUNTIME}/podman.sock", {**tools, **_USERS_TOOLS})
    user, environment = _ordinary_user(engine)
    environment |= {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    serve = ("system", "service", "--time=0", f"unix://{engine.socket}")
    engine.launch(
        user, environment, "podman", "--cgroup-manager=cgroupfs", "--runtime=runc", *serve
    )
    return engine
