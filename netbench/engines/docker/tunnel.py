"""The way to an engine on another machine: one `ssh` that forwards the engine's UNIX socket.

`ssh` reads the user's own configuration, keys and agent, as the docker command has it do. One
process carries every connection, so that a request costs no handshake of its own.
"""

import shutil
import subprocess
import weakref
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from netbench.engines.local_process import attempts
from netbench.engines.owner import make_folder
from netbench.errors import EngineUnavailable

_USUAL: Final = "/var/run/docker.sock"
_FIND_SOCKET: Final = "docker context inspect --format '{{.Endpoints.docker.Host}}'"
"""What the docker command uses over there: the socket of a rootless engine lies elsewhere."""
# There is no terminal for a question, and no other `ssh` may keep what this one opens.
_SSH: Final = (
    *("ssh", "-T", "-oBatchMode=yes", "-oConnectTimeout=15", "-oControlPath=none"),
    *("-oExitOnForwardFailure=yes", "-oServerAliveInterval=15"),
)
_WITHIN: Final = 30.0  # seconds
_POLL: Final = 0.02
_FAILED: Final = 255  # exit code of `ssh` itself; any other is that of the command there
_WRITTEN: Final = "write ssh://[USER@]HOST[:PORT][/PATH/OF/SOCKET]"
_HINT: Final = "try it: ssh {} true; it must come through with a key, without a question"


class SocketTunnel:
    """A local socket that leads to the engine's, as long as it is open."""

    def __init__(self, url: str) -> None:
        """Open it; `EngineUnavailable` if the URL cannot be used, or with the words of `ssh`."""
        self._destination, path = _parsed(url)
        self._folder = make_folder("ssh")
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.socket = self._folder / "docker.sock"
        self._errors = self._folder / "errors"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._open(path or self._engine_socket())
        except BaseException:
            self.close()
            raise

    def _engine_socket(self) -> str:
        try:
            done = subprocess.run(
                (*_SSH, *self._destination, _FIND_SOCKET),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"no answer within {_WITHIN:.0f} s") from error
        except OSError as error:
            raise self._failure(f"ssh cannot be run: {error.strerror}") from error
        if done.returncode == _FAILED:
            raise self._failure(done.stderr.strip())
        kind, found, path = done.stdout.strip().partition("://")
        return path if found and kind == "unix" else _USUAL

    def _open(self, path: str) -> None:
        # It ends with this process: `cat` then has nothing more to read.
        command = (*_SSH, "-L", f"{self.socket}:{path}", *self._destination, "exec cat")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        for _ in attempts(_WITHIN, _POLL):
            if self.socket.exists():
                return
            if self._process.poll() is not None:
                raise self._failure(self.said())
        raise self._failure(f"no way through within {_WITHIN:.0f} s")

    def _failure(self, why: str) -> EngineUnavailable:
        host = self._destination[-1]
        return EngineUnavailable(f"ssh to {host} failed: {why}", hint=_HINT.format(host))

    def said(self) -> str:
        """Return what `ssh` has written to stderr so far."""
        with suppress(OSError):
            return self._errors.read_text(errors="replace").strip()
        return ""

    def close(self) -> None:
        """End `ssh` and remove the socket."""
        process, self._process = self._process, None
        if process is not None:
            with process:  # which closes its pipe, and waits
                process.kill()
        self._remove()


def _parsed(url: str) -> tuple[tuple[str, ...], str]:
    """Return the destination as arguments of `ssh`, and the socket's path there."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EngineUnavailable(f"{url!r} is no URL: {error}", hint=_WRITTEN) from error
    problem = ""
    if not parts.hostname:
        problem = "names no host"
    elif parts.password is not None:
        problem = "holds a password, which ssh does not accept: use a key"
        url = f"ssh://...@{parts.hostname}"
    elif parts.query or parts.fragment:
        problem = "holds more than user, host, port and the socket's path"
    if problem:
        raise EngineUnavailable(f"{url!r} {problem}", hint=_WRITTEN)
    user = ("-l", parts.username) if parts.username else ()
    number = ("-p", str(port)) if port else ()
    path = parts.path if parts.path.strip("/") else ""
    return (*user, *number, "--", str(parts.hostname)), path
