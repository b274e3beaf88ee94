"""Network, pid and mount namespaces of our own: whatever starts in them ends with them."""

import subprocess
import time
from pathlib import Path

from support.hang import HANG


class Spaces:
    """A place to run things in; `stop` ends every process there."""

    def __init__(self) -> None:
        argv = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
        self._holder = subprocess.Popen(
            (*argv, "--propagation", "private", "sleep", "infinity"), start_new_session=True
        )
        self.pid = self._first()
        """Of the first process there, as seen from outside."""
        self.run("ip", "link", "set", "lo", "up")

    def _first(self) -> int:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for pid in children.read_text().split():
                if Path(f"/proc/{pid}/comm").read_text() == "sleep\n":
                    return int(pid)
            time.sleep(0.01)
        raise AssertionError("namespaces cannot be made here")

    @property
    def before(self) -> tuple[str, ...]:
        """What puts a command there."""
        return ("nsenter", "--target", str(self.pid), "--net", "--mount", "--pid")

    def at(self, folder: Path) -> tuple[str, ...]:
        """What puts a command there, with that folder to work in."""
        return (*self.before, "env", f"--chdir={folder}")

    def run(self, *argv: str) -> str:
        """Run a command there, return what it prints."""
        return subprocess.run(
            (*self.before, *argv), capture_output=True, text=True, timeout=HANG, check=True
        ).stdout

    def stop(self) -> None:
        """End everything there."""
        self._holder.kill()
        self._holder.wait()
