"""One `sh` in the container on the engine's host: it reads files there at a message's cost.

A command by `docker exec` takes tens of milliseconds; a line for a shell that already runs takes
one or two, so that an engine on another machine is read as often as one on ours.
"""

import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import USER
from netbench.engines.docker.stream import frames, reader
from netbench.errors import EngineError, EngineLost

_PATIENCE: Final = 20.0
"""Seconds that files may take to be read."""
_PLAIN: Final = re.compile(r"[\w/.:*-]+")
"""Paths that mean nothing else to a shell."""


class HostShell:
    """Carries out scripts one after another, as nobody, without a capability."""

    def __init__(self, clients: Clients, container: str) -> None:
        """Take the container; the shell starts with the first script."""
        self._clients = clients
        self._container = container
        self._lock = threading.Lock()
        self._stream: Any = None
        self._output: Iterator[bytes] = iter(())

    def ask(self, script: str, seconds: float) -> str:
        """Carry out a script and return what it prints on stdout.

        Raises:
            EngineError: it does not end within `seconds`.
            EngineLost: the engine does not answer, or the container is gone.
        """
        return self.ask_bytes(script, seconds).decode(errors="replace")

    def ask_bytes(self, script: str, seconds: float) -> bytes:
        """Return what `ask` does, as it is."""
        mark = secrets.token_hex(16)
        line = f"{{ {script}\n}} </dev/null 2>/dev/null; printf %s {mark}\n"
        with self._lock:
            try:
                return self._exchange(line.encode(), mark.encode(), seconds)
            except TimeoutError as error:
                self._drop()
                silent = f"the shell on the engine's host was silent for {seconds:.0f} s"
                raise EngineError(silent) from error
            except OSError as error:
                self._drop()
                raise EngineLost(f"the shell on the engine's host is gone: {error}") from error
            except BaseException:
                self._drop()
                raise

    def _exchange(self, line: bytes, mark: bytes, seconds: float) -> bytes:
        if self._stream is None:
            self._start()
        plain = getattr(self._stream, "_sock", self._stream)
        deadline = time.monotonic() + seconds
        plain.settimeout(seconds)
        plain.sendall(line)
        answer = bytearray()
        for data in self._output:
            answer += data
            if answer.endswith(mark):
                return bytes(answer[: -len(mark)])
            if time.monotonic() > deadline:
                raise TimeoutError
        raise ConnectionError("it has ended")

    def _start(self) -> None:
        with self._clients.lend("start a shell on the engine's host") as api:
            made = api.exec_create(self._container, ["sh"], stdin=True, user=USER)["Id"]
            self._stream = api.exec_start(made, socket=True)
        self._output = (data for kind, data in frames(reader(self._stream)) if kind == 1)

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(OSError):
                getattr(stream, "_response", stream).close()

    def close(self) -> None:
        """Let the shell end."""
        with self._lock:
            self._drop()


class ShellFiles:
    """The files that a shell reads; `netbench.system.files.Files`."""

    def __init__(self, shell: HostShell) -> None:
        """Take the shell."""
        self._shell = shell
        self._mark = secrets.token_hex(16)

    def read(self, *paths: str) -> Mapping[str, bytes]:
        """Return what is there, all by one message and one process; an empty file is left out."""
        if not paths:
            return {}
        for path in paths:
            if not _PLAIN.fullmatch(path):
                raise ValueError(f"not a plain path: {path!r}")
        mark = self._mark
        between = f"/tmp/.netbench-{mark}"  # noqa: S108 - the container's own
        script = (
            f"[ -e {between} ] || printf %s {mark} >{between}; set --; "
            f'for f in {" ".join(paths)}; do [ -r $f ] && echo $f && set -- "$@" {between} $f; '
            f'done; cat /dev/null "$@"'
        )
        names, *contents = self._shell.ask_bytes(script, _PATIENCE).split(mark.encode())
        found = zip(names.decode(errors="replace").splitlines(), contents, strict=True)
        return {name: content for name, content in found if content}

    def processes(self, name: str) -> tuple[int, ...]:
        """Return who runs under that name there."""
        found = self._shell.ask(f"pgrep -x {name}", _PATIENCE)
        return tuple(int(word) for word in found.split() if word.isdecimal())
