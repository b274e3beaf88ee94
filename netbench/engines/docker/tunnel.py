"""The way to an engine on another machine by SSH: one `ssh` that leads a UNIX socket here there.

`ssh` reads the user's own configuration, keys and agent, as the docker command has it do. One
process carries every connection, so that a request costs no handshake of its own.
"""

import shutil
import subprocess
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from netbench.engines.folders import make_folder
from netbench.errors import EngineUnavailable

SCHEME: Final = "ssh"
_USUAL: Final = "/var/run/docker.sock"
_ASKS: Final = "docker context inspect --format '{{.Endpoints.docker.Host}}'"
"""What the docker command uses over there: the socket of a rootless engine lies elsewhere."""
_OPTIONS: Final[Mapping[str, str]] = {
    "BatchMode": "yes",
    "ConnectTimeout": "15",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "ServerAliveInterval": "15",
}
"""Nobody is there to answer a question; no other `ssh` may keep what this one opens."""
_WITHIN: Final = 30.0
"""Seconds for `ssh` to come through."""
_POLL: Final = 0.02
_FAILED: Final = 255
"""Exit code of `ssh` itself; any other is that of the command there."""
_WRITTEN: Final = "write ssh://[USER@]HOST[:PORT][/PATH/OF/SOCKET]"
_HINT: Final = "try it: ssh {} true; it must come through with a key, without a question"


class SocketTunnel:
    """A socket in a folder of our own, as long as it is open."""

    def __init__(self, url: str) -> None:
        """Open it.

        Raises:
            EngineUnavailable: the URL is none, or `ssh` does not come through; with its words.
        """
        self._where, path = _parsed(url)
        self._folder = make_folder("ssh")
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.socket = self._folder / "docker.sock"
        self._said = self._folder / "said"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._open(path or self._engine_socket())
        except BaseException:
            self.close()
            raise

    def _engine_socket(self) -> str:
        """Return the path of the engine's socket on the other machine."""
        command = (*_ssh(), *self._where, _ASKS)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._refusal(f"no answer within {_WITHIN:.0f} s") from error
        except OSError as error:
            raise self._refusal(f"ssh cannot be run: {error.strerror}") from error
        if done.returncode == _FAILED:
            raise self._refusal(done.stderr.strip())
        kind, found, path = done.stdout.strip().partition("://")
        return path if found and kind == "unix" else _USUAL

    def _open(self, path: str) -> None:
        # It ends with us: `cat` has nothing more to read once we are gone.
        command = (*_ssh(), "-L", f"{self.socket}:{path}", *self._where, "exec cat")
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + _WITHIN
        while not self.socket.exists():
            if self._process.poll() is not None:
                raise self._refusal(self.said())
            if time.monotonic() > deadline:
                raise self._refusal(f"no way through within {_WITHIN:.0f} s")
            time.sleep(_POLL)

    def _refusal(self, why: str) -> EngineUnavailable:
        place = self._where[-1]
        return EngineUnavailable(f"ssh to {place} failed: {why}", hint=_HINT.format(place))

    def said(self) -> str:
        """Return what `ssh` complained about so far."""
        with suppress(OSError):
            return self._said.read_text(errors="replace").strip()
        return ""

    def close(self) -> None:
        """End `ssh` and remove the socket."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._remove()


def _ssh() -> tuple[str, ...]:
    options = (f"-o{key}={value}" for key, value in _OPTIONS.items())
    return ("ssh", "-T", *options)


def _parsed(url: str) -> tuple[tuple[str, ...], str]:
    """Return the end of ssh's command, by which it finds the machine, and the socket's path there.

    Raises:
        EngineUnavailable: the URL names no machine, or holds more than ssh can be told.
    """
    problem = ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EngineUnavailable(f"{url!r} is no URL: {error}", hint=_WRITTEN) from error
    if not parts.hostname:
        problem = "names no host"
    elif parts.password is not None:
        problem = "holds a password, which ssh takes from nobody: use a key"
        url = f"ssh://...@{parts.hostname}"
    elif parts.query or parts.fragment:
        problem = "holds more than user, host, port and the socket's path"
    if problem:
        raise EngineUnavailable(f"{url!r} {problem}", hint=_WRITTEN)
    user = ("-l", parts.username) if parts.username else ()
    number = ("-p", str(port)) if port else ()
    path = parts.path if parts.path.strip("/") else ""
    return (*user, *number, "--", str(parts.hostname)), path
