"""Reaching a Docker Engine: where it is, why it cannot be reached, and a client for each thread."""

import grp
import queue
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3.exceptions
from docker import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import Context
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException, InvalidVersion
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from netbench.errors import EngineError, EngineLost, EngineUnavailable, Unsupported

ANSWER_SECONDS: Final = 60
"""How long one request may stay unanswered before the engine counts as lost."""

_START = "start it: sudo systemctl start docker; or measure without Docker: --engine netns"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the engine is."""

    url: str
    origin: str
    """What named it, in words: `DOCKER_HOST`, `context default`."""
    tls: TLSConfig | None = None

    @property
    def socket(self) -> Path | None:
        """Path of the engine's UNIX socket; None where it is reached another way."""
        _, found, path = self.url.partition("unix://")
        return Path("/" + path.lstrip("/")) if found else None


def resolve(environment: Mapping[str, str]) -> Target:
    """Return the engine that the docker command would use: DOCKER_HOST, else the context.

    Raises:
        EngineUnavailable: the context does not exist or cannot be read, or TLS files are missing.
    """
    try:
        given = kwargs_from_env(environment=dict(environment) or {"": ""})
    except DockerException as error:
        raise EngineUnavailable(
            f"the Docker client's TLS settings do not work: {error}",
            hint="check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY",
        ) from error
    if url := given.get("base_url"):
        return Target(url, "DOCKER_HOST", given.get("tls") or None)
    name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
    if name == "default":
        return Target(DEFAULT_UNIX_SOCKET.removeprefix("http+"), "context default")
    return _from_context(name)


def _from_context(name: str) -> Target:
    # The SDK itself falls back to the default socket in silence where the context is unknown.
    hint = "list contexts: docker context ls; choose one: docker context use NAME"
    try:
        context = Context.load_context(name)
    except Exception as error:  # the SDK raises the bare class for a corrupt file
        raise EngineUnavailable(
            f"docker context {name!r} is unreadable: {error}", hint=hint
        ) from error
    if context is None or not context.Host:
        raise EngineUnavailable(
            f"docker context {name!r} does not exist, or names no engine", hint=hint
        )
    return Target(context.Host, f"context {name}", context.TLSConfig)


def connect(target: Target) -> APIClient:
    """Return a client that speaks the engine's own API version.

    Raises:
        EngineUnavailable: it cannot be reached; says why and what helps.
    """
    try:
        if target.socket is not None:
            # First by hand: the SDK leaves its socket open where connecting fails.
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(target.socket))
        return APIClient(base_url=target.url, tls=target.tls or False, timeout=ANSWER_SECONDS)
    except (DockerException, OSError, ValueError) as error:
        raise _unavailable(target, error) from error


def _unavailable(target: Target, error: Exception) -> EngineUnavailable:
    place = str(target.socket or target.url)
    by = f" ({target.origin})"
    causes = tuple(_causes(error))

    def caused(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if caused(FileNotFoundError):
        return EngineUnavailable(f"there is no Docker socket at {place}{by}", hint=_START)
    if caused(PermissionError):
        return EngineUnavailable(
            f"you are not permitted to use the Docker socket {place}{by}",
            hint=_join_group(target.socket),
        )
    if caused(ConnectionRefusedError):
        return EngineUnavailable(f"no Docker Engine answers at {place}{by}", hint=_START)
    if caused(ssl.SSLError):
        return EngineUnavailable(
            f"TLS with the Docker Engine at {place}{by} failed: {error}",
            hint="check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY",
        )
    if caused(InvalidVersion):
        return EngineUnavailable(
            f"the Docker Engine at {place}{by} is too old: {error}", hint="upgrade the engine"
        )
    return EngineUnavailable(
        f"the Docker Engine at {place}{by} cannot be reached: {error}",
        hint="check DOCKER_HOST and `docker context ls`; or measure without it: --engine netns",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that stand behind it; requests hides the first one in `args`."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        behind = (current.__cause__, current.__context__, *current.args)
        pending.extend(cause for cause in behind if isinstance(cause, BaseException))


def _join_group(path: Path | None) -> str:
    group = "docker"
    with suppress(OSError, KeyError):
        group = grp.getgrgid(path.stat().st_gid).gr_name if path else group
    if group == "root":
        return "run as root: only root may use this socket"
    return f"join its group: sudo usermod -aG {group} $USER, then log in again; or run as root"


def daemon_pid(path: Path) -> int | None:
    """Return the pid of the process that listens on a UNIX socket, None where it is not ours."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        size = struct.calcsize("3i")
        pid, _, _ = struct.unpack(
            "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
    return pid or None


class Clients:
    """Clients of one engine, lent to one thread at a time: a session is not thread-safe."""

    def __init__(self, target: Target) -> None:
        """Connect once, to know that the engine is there and which version it speaks."""
        self.target = target
        first = connect(target)
        self._version = first.api_version
        self._idle: queue.LifoQueue[APIClient] = queue.LifoQueue()
        self._idle.put(first)
        self._closed = False

    @contextmanager
    def lend(self, doing: str) -> Iterator[APIClient]:
        """Lend a client for one operation, `doing` in words for the error message.

        Raises:
            EngineError: the engine refused; `Unsupported` where the kernel lacks what it takes.
            EngineLost: it does not answer.
        """
        client = self._take()
        try:
            yield client
        except APIError as error:
            text = str(error.explanation or error)
            # The daemon passes the kernel's word on where that has no such link: EOPNOTSUPP.
            lacking = "operation not supported" in text.lower()
            raise (Unsupported if lacking else EngineError)(f"{doing}: {text}") from error
        except (OSError, urllib3.exceptions.HTTPError, DockerException) as error:
            raise EngineLost(
                f"{doing}: the Docker Engine at {self.target.url} stopped answering: {error}",
                hint="see its log: journalctl -u docker",
            ) from error
        finally:
            self._give_back(client)

    def _take(self) -> APIClient:
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        return APIClient(
            base_url=self.target.url,
            version=self._version,
            tls=self.target.tls or False,
            timeout=ANSWER_SECONDS,
        )

    def _give_back(self, client: APIClient) -> None:
        if self._closed:
            client.close()
        else:
            self._idle.put(client)

    def close(self) -> None:
        """Close every idle client; one that is lent closes when it comes back."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
