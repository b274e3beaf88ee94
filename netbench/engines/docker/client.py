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
from typing import Any, Final

import urllib3.exceptions
from docker import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.context import Context
from docker.context.config import get_current_context_name
from docker.errors import APIError, DockerException, InvalidVersion
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from netbench.engines.docker.tunnel import SCHEME, SocketTunnel
from netbench.errors import EngineError, EngineLost, EngineUnavailable, Unsupported

ANSWER_SECONDS: Final = 60
"""How long one request may stay unanswered before the engine counts as lost."""

_START = "start it: sudo systemctl start docker; or measure without Docker: --engine netns"


@dataclass(frozen=True, slots=True)
class EngineAddress:
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

    @property
    def by_ssh(self) -> bool:
        """Whether it is on another machine, behind its SSH server."""
        return self.url.startswith(f"{SCHEME}://")


def resolve(environment: Mapping[str, str], context: str | None = None) -> EngineAddress:
    """Return the engine that the docker command would use.

    The context that is named, else DOCKER_HOST, else the environment's or the current context.

    Raises:
        EngineUnavailable: the context does not exist or cannot be read, or TLS files are missing.
    """
    if context is not None:
        return _from_context(context)
    try:
        given = kwargs_from_env(environment=dict(environment) or {"": ""})
    except DockerException as error:
        raise EngineUnavailable(
            f"the Docker client's TLS settings do not work: {error}",
            hint="check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY",
        ) from error
    if url := given.get("base_url"):
        return EngineAddress(url, "DOCKER_HOST", given.get("tls") or None)
    return _from_context(environment.get("DOCKER_CONTEXT") or get_current_context_name())


def _from_context(name: str) -> EngineAddress:
    if name == "default":
        return EngineAddress(DEFAULT_UNIX_SOCKET.removeprefix("http+"), "context default")
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
    return EngineAddress(context.Host, f"context {name}", context.TLSConfig)


class _Client(APIClient):
    """A client that checks the engine's certificate against the authority it was given.

    Without this a bundle that the environment names, REQUESTS_CA_BUNDLE, would take its place:
    psf/requests#3829.
    """

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return a request's settings, the client's own before those of the environment."""
        own = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


class EngineTransport:
    """The way to an engine, which every client takes."""

    def __init__(self, target: EngineAddress) -> None:
        """Open it.

        Raises:
            EngineUnavailable: there is none; says why and what helps.
        """
        self._target = target
        self._tunnel = SocketTunnel(target.url) if target.by_ssh else None

    def client(self, version: str | None = None) -> APIClient:
        """Return a client of the engine that speaks this API version, or the engine's own."""
        return _Client(
            base_url=f"unix://{self._tunnel.socket}" if self._tunnel else self._target.url,
            version=version,
            tls=False if self._tunnel else self._target.tls or False,
            timeout=ANSWER_SECONDS,
        )

    def first(self) -> APIClient:
        """Return the first client.

        Raises:
            EngineUnavailable: the engine cannot be reached; says why and what helps.
        """
        path = self._target.socket
        try:
            if path is not None:
                # First by hand: the SDK leaves its socket open where connecting fails.
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(path))
            return self.client()
        except (DockerException, OSError, ValueError) as error:
            if self._tunnel is not None:
                raise _behind_ssh(self._target, self._tunnel.said() or str(error)) from error
            raise _unavailable(self._target, error) from error

    def close(self) -> None:
        """Close it."""
        if self._tunnel is not None:
            self._tunnel.close()


def _behind_ssh(target: EngineAddress, why: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"no Docker Engine answers behind {target.url} ({target.origin}): {why}",
        hint="the user there must be permitted to use the engine's socket, and the SSH server must "
        "let it through (AllowStreamLocalForwarding); for a socket elsewhere: ssh://HOST/ITS/PATH",
    )


def _unavailable(target: EngineAddress, error: Exception) -> EngineUnavailable:
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

    def __init__(self, target: EngineAddress) -> None:
        """Connect once, to know that the engine is there and which version it speaks."""
        self.target = target
        self.dialect = DOCKER
        """Of the engine; whoever asks it what it is notes another one here."""
        self._way = EngineTransport(target)
        try:
            first = self._way.first()
        except BaseException:
            self._way.close()
            raise
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
        return self._way.client(self._version)

    def _give_back(self, client: APIClient) -> None:
        if self._closed:
            client.close()
        else:
            self._idle.put(client)

    def close(self) -> None:
        """Close every idle client, and the way; one that is lent closes when it comes back."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        self._way.close()


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an engine calls things, and what it passes over in silence."""

    name: str
    """Of the engine: `docker`, `podman`."""
    mode: str
    """Option of a network that holds the mode of macvlan and ipvlan, with `{}` for the driver."""
    bridge: str | None
    """Name of a network's bridge, with `{}` for the start of the network's id; None where only the
    bridge itself tells."""
    reserves: bool
    """Whether addresses can be kept from containers one by one; else by a range alone."""


DOCKER: Final = Dialect("docker", mode="{}_mode", bridge="br-{}", reserves=True)
PODMAN: Final = Dialect("podman", mode="mode", bridge=None, reserves=False)


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """Return the dialect of an engine by its answer to `/version`."""
    names = [str(part["Name"]) for part in version.get("Components") or ()]
    return PODMAN if any("podman" in name.lower() for name in names) else DOCKER
