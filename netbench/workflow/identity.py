"""What identifies the site of a run: found once on the engine's host, then kept out of records."""

import os
import platform
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from getpass import getuser
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from itertools import chain, repeat
from typing import Final
from urllib.parse import urlsplit

from netbench.engines.base import Engine
from netbench.errors import FactError
from netbench.facts.base import Pair, Reader
from netbench.record import NO_HOST, NO_USER, EndpointFacts, Link, Redaction, telling
from netbench.spec import Role
from netbench.topology.paths import namespaces_of

_HOSTNAME: Final = "/proc/sys/kernel/hostname"
_OURS: Final = tuple(map(ip_network, ("198.18.0.0/15", "2001:2::/48")))
"""Blocks for benchmarks, which every network of ours is in."""
_DOCUMENTATION: Final = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
)
"""RFC 5737; IPv6's is 2001:db8::/32 (RFC 3849), that of MAC addresses 00-00-5E-00-53 (RFC 7042)."""
_ENGINES: Final = re.compile(
    r"docker0|docker_gwbridge|br-[0-9a-f]{12}|podman[0-9]+|cni-podman[0-9]+"
)
"""Bridges that engines make for their own networks."""
_MADE: Final = ("veth", "bridge", "dummy", "vxlan", "macvlan", "ipvlan")
"""Kinds of link whose MAC address the kernel draws."""
_URL: Final = re.compile(r"[a-z]+://[^\s()]+")
_USERS: Final = ("USER", "LOGNAME", "SUDO_USER")
_NO_MAC: Final = "00:00:00:00:00:00"


def identity(engine: Engine, reader: Reader) -> Redaction:
    """Return what keeps the site of a run out of its records.

    Raises:
        FactError: the links of the engine's host cannot be read.
    """
    host = namespaces_of(engine, engine.host())
    pair = Pair(replace(host, role=Role.CLIENT), replace(host, role=Role.SERVER), host, None, None)
    (facts,) = reader.read([pair])
    if isinstance(facts, FactError):
        raise facts
    hosts, users = reached(engine.why)
    with suppress(FactError):
        hosts.append(host.run(("cat", _HOSTNAME)).strip())
    hosts.append(platform.node())
    with suppress(OSError, KeyError):
        users.append(getuser())
    users += (os.environ.get(name, "") for name in _USERS)
    return Redaction(named(hosts, users), addressed(facts.host))


def reached(why: str) -> tuple[list[str], list[str]]:
    """Return hosts and users in the addresses by which an engine is reached."""
    urls = [urlsplit(url) for url in _URL.findall(why)]
    return [u.hostname for u in urls if u.hostname], [u.username for u in urls if u.username]


def named(hosts: Iterable[str], users: Iterable[str]) -> Mapping[str, str]:
    """Return the stand-ins of names; a host's is known with its domain and without."""
    known = chain.from_iterable((host, host.partition(".")[0]) for host in hosts)
    found = dict.fromkeys(filter(telling, users), NO_USER)
    return found | dict.fromkeys(filter(telling, known), NO_HOST)


def addressed(host: EndpointFacts) -> Mapping[str, str]:
    """Return the stand-ins of the addresses that a host has by links of its own."""
    v4, v6, macs = _stand_ins(
        {address.address for address in host.addresses}
        | {route.gateway for route in host.routes if route.gateway}
        | {route.destination.partition("/")[0] for route in host.routes}
    )
    found: dict[str, str] = {}
    for link in host.links:
        if not _identifies(link, host):
            continue
        if link.mac and link.mac != _NO_MAC:
            mac = link.mac.lower()
            found[mac] = next(macs)
            found[f"enx{mac.replace(':', '')}"] = f"enx{found[mac].replace(':', '')}"
        for address in sorted(set(_addresses(link, host)), key=int):
            if str(address) not in found and not (address.is_loopback or address.is_unspecified):
                found[str(address)] = next(v4 if isinstance(address, IPv4Address) else v6)
    return found


def _identifies(link: Link, host: EndpointFacts) -> bool:
    """Tell whether a link is the site's own: not loopback, not ours, not an engine's bridge."""
    if link.name == "lo" or _ENGINES.fullmatch(link.name):
        return False
    own = [ip_address(a.address) for a in host.addresses if a.link == link.name]
    told = [a for a in own if not a.is_link_local and not _is_ours(a)]
    return bool(told) or link.kind not in _MADE


def _is_ours(address: IPv4Address | IPv6Address) -> bool:
    return any(address in block for block in _OURS if block.version == address.version)


def _addresses(link: Link, host: EndpointFacts) -> Iterator[IPv4Address | IPv6Address]:
    """Yield every address that is used on a link, and those of its networks and gateways."""
    for address in host.addresses:
        if address.link == link.name:
            yield ip_address(address.address)
            yield ip_interface(f"{address.address}/{address.prefix}").network.network_address
    for route in host.routes:
        if route.link == link.name:
            if route.gateway:
                yield ip_address(route.gateway)
            if route.destination != "default":
                yield ip_network(route.destination, strict=False).network_address


def _stand_ins(used: Container[str]) -> tuple[Iterator[str], Iterator[str], Iterator[str]]:
    """Return IPv4, IPv6 and MAC addresses that belong to nobody, without end.

    Some do use addresses that are reserved for documentation: those are left out.
    """
    v4 = (a for block in _DOCUMENTATION for a in map(str, block.hosts()) if a not in used)
    v6 = (a for number in range(1, 1 << 16) if (a := f"2001:db8::{number:x}") not in used)
    macs = (f"00:00:5e:00:53:{number:02x}" for number in range(1, 256))
    last = ("203.0.113.254", "2001:db8::ffff", "00:00:5e:00:53:ff")
    return chain(v4, repeat(last[0])), chain(v6, repeat(last[1])), chain(macs, repeat(last[2]))
