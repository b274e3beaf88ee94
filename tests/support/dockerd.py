"""A private Docker Engine for tests, by `tests/lab/dockerd`."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from support.hang import HANG
from support.program import Program
from support.require import require_or_skip

_SCRIPT = Path(__file__).parent.parent / "lab" / "dockerd"
_NEWER = Path(__file__).parent.parent / "lab" / "newer"


def newer_engines() -> Path:
    """Return the folder with newer engines; skip the test where it was not fetched."""
    told = subprocess.run([str(_NEWER), "folder"], capture_output=True, text=True, check=True)
    folder = Path(told.stdout.strip())
    if not (folder / "fetched").exists():
        require_or_skip("newer", "newer engines are not there; fetch them: tests/lab/newer fetch")
    return folder


class Lab:
    """A dockerd in namespaces of its own; `stop` leaves nothing of it."""

    def __init__(self, folder: Path, engines: Path | None = None) -> None:
        self.folder = folder
        self.engines = engines
        self.socket = folder / "docker.sock"

    @classmethod
    def start(
        cls,
        group: int | None = None,
        *arguments: str,
        folder: Path | None = None,
        engines: Path | None = None,
    ) -> "Lab":
        """Start one whose socket `group` may use; skip the test where that is not possible.

        `arguments` are the daemon's beside those of every lab. It lies in a folder of its own, or
        in the one that is given. `engines` is a folder with other programs than the machine's.
        """
        if os.geteuid() != 0:
            require_or_skip("docker", "a private dockerd needs root")
        if shutil.which("dockerd") is None:
            require_or_skip("docker", "no dockerd; install: apt-get install docker.io")
        folder = folder or Path(tempfile.mkdtemp(prefix="netbench-lab-", dir="/tmp"))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        argv = [str(_SCRIPT), "start", str(folder), "" if group is None else str(group), *arguments]
        lab = cls(folder, engines)
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=HANG, check=False, env=lab._settings
        )
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            require_or_skip("docker", f"dockerd does not start here: {done.stderr}")
        return lab

    @property
    def _settings(self) -> dict[str, str]:
        """The daemon's environment: its programs are found by PATH."""
        own = [str(self.engines / "usr" / part) for part in ("sbin", "bin")] if self.engines else []
        return {**os.environ, "PATH": ":".join((*own, os.environ["PATH"]))}

    @property
    def environment(self) -> dict[str, str]:
        """What names this engine to a Docker client."""
        return {"DOCKER_HOST": f"unix://{self.socket}"}

    @property
    def holder(self) -> int:
        """Pid of a process in the engine's network and mount namespaces."""
        return int((self.folder / "holder").read_text())

    @property
    def netns_path(self) -> str:
        """The network namespace of the engine's host."""
        return f"/proc/{self.holder}/ns/net"

    @property
    def before(self) -> tuple[str, ...]:
        """What puts a command beside the engine, in the network of its host."""
        return ("nsenter", f"--net={self.netns_path}")

    def beside(self, program: Program) -> Program:
        """Return the same program beside the engine, which its environment names."""
        environment = {**(program.environment or {}), **self.environment}
        return replace(program, before=(*self.before, *program.before), environment=environment)

    @property
    def pid(self) -> int:
        """Pid of the daemon."""
        return int((self.folder / "docker.pid").read_text())

    def inside(self, *argv: str) -> str:
        """Run a command in the network of the engine's host, return what it prints."""
        command = (*self.before, *argv)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=True
        ).stdout

    def kill(self) -> None:
        """Kill the daemon alone, as a crash would."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def restart(self, *arguments: str) -> None:
        """Start the daemon again that was killed."""
        subprocess.run(
            [str(_SCRIPT), "restart", str(self.folder), *arguments],
            env=self._settings,
            timeout=HANG,
            check=True,
            capture_output=True,
        )

    def stop(self) -> None:
        """End the daemon and everything that runs under it."""
        subprocess.run([str(_SCRIPT), "stop", str(self.folder)], timeout=HANG, check=True)
