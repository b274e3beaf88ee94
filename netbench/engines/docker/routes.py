"""By which links and addresses the machines of two engines reach each other."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final
from urllib.parse import urlsplit

from netbench.engines.base import Engine
from netbench.errors import EngineError

_QUICK: Final = 20.0  # seconds that a command which only reads may take


@dataclass(frozen=True, slots=True)
class Between:
    """How an engine's machine is reached from another one."""

    address: str
    link: str  # that has this address


def host_of(url: str) -> str | None:
    """Return the host that an engine's URL names; None for a socket of this machine."""
    return urlsplit(url).hostname if not url.startswith("unix:") else None


def way(engine: Engine, url: str, to: str) -> Between:
    """Return the link and address by which an engine's machine sends to another's address."""
    argv = ("ip", "-j", "route", "get", _numeric(to))
    done = engine.run(engine.host(), argv, timeout=_QUICK)
    try:
        (route,) = json.loads(done.stdout)
        found = Between(str(route["prefsrc"]), str(route["dev"]))
    except (ValueError, KeyError, TypeError) as error:
        said = (done.stderr or done.stdout).strip()[:200]
        raise EngineError(
            f"the machine of {url} has no way to {to}: {said}",
            hint="--peer-address takes an address of the peer's machine that this one reaches",
        ) from error
    if found.link == "lo":
        raise EngineError(
            f"{to} is an address of the machine of {url} itself",
            hint="name an engine on another machine, by an address of that machine",
        )
    return found


def _numeric(host: str) -> str:
    """Return the IPv4 address of a host that may be given by its name."""
    with suppress(ValueError):
        return str(IPv4Address(host))
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0])
    except (OSError, UnicodeError) as error:  # a name with an empty or long label is not encoded
        raise EngineError(
            f"the peer's machine {host!r} has no IPv4 address: {error}",
            hint="give it: --peer-address ADDRESS",
        ) from error
