"""Access to a Docker Engine: its address, why it is unreachable, and a client for each thread."""

import grp
import queue
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
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

from netbench.engines.docker.tunnel import SocketTunnel
from netbench.errors import EngineError, EngineLost, EngineUnavailable, Unsupported

_ANSWER: Final = 60  # seconds without an answer to a request after which the engine counts as lost
_UCRED: Final = struct.Struct("3i")  # pid, uid and gid, socket(7) SO_PEERCRED
_START: Final = "start it: sudo systemctl start docker; or measure without Docker: --engine netns"
_CHECK_TLS: Final = "check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY"
_UNREACHABLE: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (FileNotFoundError, "there is no Docker socket at {place}", _START),
    (PermissionError, "you are not permitted to use the Docker socket {place}", "{group}"),
    (ConnectionRefusedError, "no Docker Engine answers at {place}", _START),
    (ssl.SSLError, "TLS with the Docker Engine at {place} failed: {error}", _CHECK_TLS),
    (InvalidVersion, "the Docker Engine at {place} is too old: {error}", "upgrade the engine"),
    (
        BaseException,
        "the Docker Engine at {place} cannot be reached: {error}",
        "check DOCKER_HOST and `docker context ls`; or measure without it: --engine netns",
    ),
)
"""Message and hint by cause; the first that applies."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where the engine is."""

    url: str
    origin: str  # what named it, in words: `DOCKER_HOST`, `context default`
    tls: TLSConfig | None = None

    @property
    def socket(self) -> Path | None:
        """Path of the engine's UNIX socket; None if it is reached another way."""
        _, found, path = self.url.partition("unix://")
        return Path("/" + path.lstrip("/")) if found else None

    def command(self, program: str) -> tuple[str, ...]:
        """Return how a user calls the engine's command line, `docker` or `podman`, for it."""
        _, named, context = self.origin.partition("context ")
        if program == PODMAN.name:
            return (program, "--url", self.url)
        if named:
            return (program, "--context", context)
        # Certificates are named by the environment, which also has the URL then.
        return (program,) if self.tls else (program, "--host", self.url)

    def daemon_pid(self) -> int | None:
        """Return the pid of the process that listens on the socket; None if it is not visible."""
        if self.socket is None:
            return None
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket))
            credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid: int = _UCRED.unpack(credentials)[0]
        return pid or None


def resolve(environment: Mapping[str, str], context: str | None = None) -> EngineAddress:
    """Return the engine that the docker command would use; or EngineUnavailable."""
    if context is not None:
        return _from_context(context)
    try:
        given = kwargs_from_env(environment=dict(environment) or {"": ""})
    except DockerException as error:
        raise EngineUnavailable(
            f"the Docker client's TLS settings do not work: {error}", hint=_CHECK_TLS
        ) from error
    if url := given.get("base_url"):
        return EngineAddress(url, "DOCKER_HOST", given.get("tls") or None)
    return _from_context(environment.get("DOCKER_CONTEXT") or get_current_context_name())


def _from_context(name: str) -> EngineAddress:
    if name == "default":
        return EngineAddress(DEFAULT_UNIX_SOCKET.removeprefix("http+"), "context default")
    what = f"docker context {name!r}"
    hint = "list contexts: docker context ls; choose one: docker context use NAME"
    try:
        context = Context.load_context(name)
    except Exception as error:  # the SDK raises the bare class for a corrupt file
        raise EngineUnavailable(f"{what} is unreadable: {error}", hint=hint) from error
    # The SDK itself falls back to the default socket without a word if the context is unknown.
    if context is None or not context.Host:
        raise EngineUnavailable(f"{what} does not exist, or names no engine", hint=hint)
    return EngineAddress(context.Host, f"context {name}", context.TLSConfig)


class _Client(APIClient):
    """A client whose certificate authority the environment does not replace: psf/requests#3829."""

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Put the client's own settings before those of the environment."""
        own = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


def _unreachable(target: EngineAddress, error: Exception) -> EngineUnavailable:
    causes: list[BaseException] = [error]
    for cause in causes:  # which grows: requests hides the first error in `args`
        behind = (cause.__cause__, cause.__context__, *cause.args)
        causes += [one for one in behind if isinstance(one, BaseException) and one not in causes]
    known = (row for row in _UNREACHABLE if any(isinstance(cause, row[0]) for cause in causes))
    _, message, hint = next(known)
    words = {"place": f"{target.socket or target.url} ({target.origin})", "error": error}
    hint = hint.format(group=_join_group(target.socket))
    return EngineUnavailable(message.format(**words), hint=hint)


def _join_group(path: Path | None) -> str:
    group = "docker"
    with suppress(OSError, KeyError):
        group = grp.getgrgid(path.stat().st_gid).gr_name if path else group
    if group == "root":
        return "run as root: only root may use this socket"
    return f"join its group: sudo usermod -aG {group} $USER, then log in again; or run as root"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine names things, and which options it ignores."""

    name: str
    mode: str  # option of a network for the mode of macvlan and ipvlan, with `{}` for the driver
    bridge: str | None  # its name, with `{}` for the start of its network's id, if that has a part
    reserves: bool  # whether single addresses can be reserved; else a range alone keeps them free


DOCKER: Final = Dialect("docker", mode="{}_mode", bridge="br-{}", reserves=True)
PODMAN: Final = Dialect("podman", mode="mode", bridge=None, reserves=False)


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """Return the dialect of an engine by its answer to `/version`."""
    names = [str(part["Name"]) for part in version.get("Components") or ()]
    return PODMAN if any("podman" in name.lower() for name in names) else DOCKER


def podman_info(api: APIClient) -> Mapping[str, Any]:
    """Return what Podman's own API says of it, which the compatible one leaves out."""
    found: Mapping[str, Any] = api.get(f"{api.base_url}/v4.0.0/libpod/info").json()
    return found


class Clients:
    """Clients of one engine, lent to one thread at a time: a session is not thread-safe."""

    def __init__(self, target: EngineAddress) -> None:
        """Connect once, for the API version; `EngineUnavailable` says why that fails."""
        self.target = target
        self.dialect = DOCKER  # set anew once the engine was asked what it is
        self._version: str | None = None
        self._idle: queue.LifoQueue[APIClient] = queue.LifoQueue()
        self._closed = False
        self._tunnel = SocketTunnel(target.url) if target.url.startswith("ssh://") else None
        with ExitStack() as undo:
            undo.callback(self.close)
            first = self._first()
            undo.pop_all()
        self._version = first.api_version
        self._idle.put(first)

    def _connect(self) -> APIClient:
        return _Client(
            base_url=f"unix://{self._tunnel.socket}" if self._tunnel else self.target.url,
            version=self._version,
            tls=False if self._tunnel else self.target.tls or False,
            timeout=_ANSWER,
        )

    def _first(self) -> APIClient:
        target = self.target
        try:
            target.daemon_pid()  # connects by itself: the SDK leaves its socket open on failure
            return self._connect()
        except (DockerException, OSError, ValueError) as error:
            if self._tunnel is None:
                raise _unreachable(target, error) from error
            raise EngineUnavailable(
                f"no Docker Engine answers behind {target.url} ({target.origin}): "
                f"{self._tunnel.said() or error}",
                hint="the user there must be permitted to use the engine's socket, and the SSH "
                "server must let it through (AllowStreamLocalForwarding); for a socket elsewhere: "
                "ssh://HOST/ITS/PATH",
            ) from error

    @contextmanager
    def lend(self, doing: str) -> Iterator[APIClient]:
        """Lend a client for one operation, `doing` in words for the error message.

        EngineError if the engine refuses, `Unsupported` if the kernel lacks what it takes;
        EngineLost if it does not answer.
        """
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = self._connect()
        try:
            yield client
        except APIError as error:
            text = str(error.explanation or error)
            # The daemon passes on the kernel's error if that has no such link: EOPNOTSUPP.
            lacking = "operation not supported" in text.lower()
            raise (Unsupported if lacking else EngineError)(f"{doing}: {text}") from error
        except (OSError, urllib3.exceptions.HTTPError, DockerException) as error:
            raise EngineLost(
                f"{doing}: the Docker Engine at {self.target.url} stopped answering: {error}",
                hint="see its log: journalctl -u docker",
            ) from error
        finally:
            if self._closed:
                client.close()
            else:
                self._idle.put(client)

    def close(self) -> None:
        """Close every idle client, and the tunnel; one that is lent closes when it comes back."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
        if self._tunnel is not None:
            self._tunnel.close()
