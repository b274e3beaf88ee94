"""Scripts and files on the engine's host, through the shell in the container there.

A command by `docker exec` takes tens of milliseconds; a message to a shell that already runs takes
a few, so that an engine on another machine is read as often as one on ours.
"""

import re
import secrets
from collections.abc import Mapping
from signal import SIGKILL
from typing import Final

from netbench.engines.docker.endpoints import USER
from netbench.engines.docker.launcher import Launchers
from netbench.errors import EngineError, EngineLost

_PATIENCE: Final = 20.0
"""Seconds that files may take to be read."""
_LATE: Final = 2.0
"""Seconds beyond its time after which a script that was to be killed counts as lost."""
_KILLED: Final = 128 + SIGKILL
_PLAIN: Final = re.compile(r"[\w/.:*-]+")
"""Paths that mean nothing else to a shell."""


class HostShell:
    """Carries out scripts on the engine's host, as nobody, without a capability."""

    def __init__(self, launchers: Launchers, container: str) -> None:
        """Take the container; the shell starts with the first script."""
        self._launchers = launchers
        self._container = container

    def ask(self, script: str, seconds: float) -> str:
        """Carry out a script and return what it prints on stdout.

        Raises:
            EngineError: it does not end within `seconds`.
            EngineLost: the engine does not answer, or the container is gone.
        """
        return self.ask_bytes(script, seconds).decode(errors="replace")

    def ask_bytes(self, script: str, seconds: float) -> bytes:
        """Return what `ask` does, as bytes."""
        try:
            launcher = self._launchers.of(self._container, USER)
            job = launcher.start(("timeout", "-s", "KILL", str(seconds), "sh", "-c", script))
        except EngineError as error:
            raise EngineLost(f"the shell on the engine's host is gone: {error}") from error
        ended = job.ended.wait(seconds + _LATE)
        if not ended or job.code == _KILLED:
            raise EngineError(f"a script on the engine's host did not end in {seconds:.0f} s")
        found = launcher.fetch(job)
        if found is None:
            raise EngineLost("the shell on the engine's host is gone")
        return found[0]


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
