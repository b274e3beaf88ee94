"""What is read of the engine's host once a run: its facts, and what identifies the site."""

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

from netbench.engines.base import Endpoint, Engine
from netbench.errors import EngineError, FactError
from netbench.facts.cpu_time import tick
from netbench.facts.host import FILES, firewall_facts, host_facts
from netbench.facts.pair import Pair
from netbench.facts.procfs import read_local
from netbench.facts.registry import PEER
from netbench.record import PAIRED, Absent, EndpointFacts, FactValue, Link, PairFacts, Redaction
from netbench.record.redaction import NO_HOST, NO_USER, telling
from netbench.spec import Role
from netbench.system.files import text
from netbench.system.setns import in_netns, may_enter
from netbench.topology.paths import choose_reader, namespaces_of
from netbench.workflow.node_facts import between

_NET_FILES: Final = tuple(path for path in FILES if path.startswith("/proc/sys/net/"))
"""These show the network namespace of whoever reads them."""
_HOSTNAME: Final = "/proc/sys/kernel/hostname"
_BENCHMARK: Final = tuple(map(ip_network, ("198.18.0.0/15", "2001:2::/48")))  # all of netbench's
_DOCUMENTATION: Final = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
)
"""RFC 5737; IPv6's is 2001:db8::/32 (RFC 3849), that of MAC addresses 00-00-5E-00-53 (RFC 7042)."""
_ENGINES: Final = re.compile(
    r"docker0|docker_gwbridge|br-[0-9a-f]{12}|podman[0-9]+|cni-podman[0-9]+"
)
"""Bridges that engines make for their own networks."""
_MADE: Final = (*PAIRED, "bridge", "dummy", "vxlan", "macvlan", "ipvlan")
"""Kinds of link whose MAC address the kernel draws."""
_URL: Final = re.compile(r"[a-z]+://[^\s()]+")
_USERS: Final = ("USER", "LOGNAME", "SUDO_USER")
_NO_MAC: Final = "00:00:00:00:00:00"


def facts_of(engine: Engine, endpoint: Endpoint) -> PairFacts:
    """Return the facts of one endpoint, `FactError` if unreadable: it is both ends of a pair."""
    one = namespaces_of(engine, endpoint)
    client, server = replace(one, role=Role.CLIENT), replace(one, role=Role.SERVER)
    host = namespaces_of(engine, replace(engine.nodes[endpoint.node].host(), node=endpoint.node))
    pair = Pair(client, server, host, target=None, ipam=endpoint.ipam)
    (facts,) = choose_reader(engine).read([pair])
    if isinstance(facts, FactError):
        raise facts
    return facts


def read_host_facts(engine: Engine, *, identify: bool) -> Mapping[str, FactValue]:
    """Return the host's, kernel's and engine's facts by registry name, the peer's by `peer.`."""
    first, *others = (_facts(part, identify=identify) for part in engine.nodes.values())
    peers = {f"{PEER}{name}": value for found in others for name, value in found.items()}
    if not others:
        return first
    return {**first, **peers, **between(engine)}


def _facts(engine: Engine, *, identify: bool) -> Mapping[str, FactValue]:
    host = engine.host()
    firewall: Mapping[str, FactValue]
    if engine.local and may_enter(host.pid):
        net = in_netns(host.pid, lambda: {path: read_local(path) for path in _NET_FILES})
        firewall = in_netns(host.pid, firewall_facts)
    else:
        net = _from_inside(engine)
        unread = Absent("the ruleset is for root on the engine's host to read")
        firewall = dict.fromkeys(("net.firewall_rules", "net.firewall_hash"), unread)

    def read(path: str) -> str | None:
        return net.get(path) if path in _NET_FILES else text(engine.files, path)

    facts = host_facts(read, identify=identify)
    untold = Absent("the kernel does not tell its tick")
    return {**facts, "kernel.tick": tick(engine.files) or untold, **firewall, **engine.facts()}


def _from_inside(engine: Engine) -> dict[str, str | None]:
    """Read the files in the host's namespaces, all by one command; absent ones are left out."""
    argv = ("head", "-v", "-n", "100000", *_NET_FILES)
    try:
        text = engine.run(engine.host(), argv, timeout=20).stdout
    except EngineError:
        return {}
    parts = re.split(r"^==> (.+) <==$\n", text, flags=re.MULTILINE)
    return {path: body.rstrip("\n") for path, body in zip(parts[1::2], parts[2::2], strict=True)}


def identity(engine: Engine) -> Redaction:
    """Return what keeps the site of a run out of its records, on every machine."""
    hosts: list[EndpointFacts] = []
    names: dict[str, str] = {}
    for part in engine.nodes.values():
        host, found = _identity(part)
        hosts += [host, *_machine(part)]
        names |= found
    return Redaction(names, addressed(*hosts))


def _identity(engine: Engine) -> tuple[EndpointFacts, Mapping[str, str]]:
    host = facts_of(engine, engine.host()).host
    hosts, users = reached(engine.why)
    with suppress(FactError):
        hosts.append(namespaces_of(engine, engine.host()).run(("cat", _HOSTNAME)).strip())
    hosts.append(platform.node())
    with suppress(OSError, KeyError):
        users.append(getuser())
    users += (os.environ.get(name, "") for name in _USERS)
    return host, named(hosts, users)


def _machine(engine: Engine) -> Iterator[EndpointFacts]:
    """Yield what netbench's own network namespace has, where a rootless engine's host is apart."""
    if engine.local and engine.name == "docker" and engine.facts()["engine.rootless"] is True:
        here = Endpoint("machine", "this machine", Role.MACHINE, os.getpid(), None, None)
        yield facts_of(engine, here).server


def reached(why: str) -> tuple[list[str], list[str]]:
    """Return hosts and users in the addresses by which an engine is reached."""
    urls = [urlsplit(url) for url in _URL.findall(why)]
    return [u.hostname for u in urls if u.hostname], [u.username for u in urls if u.username]


def named(hosts: Iterable[str], users: Iterable[str]) -> Mapping[str, str]:
    """Return the stand-ins of names; a host's is known with its domain and without."""
    known = chain.from_iterable((host, host.partition(".")[0]) for host in hosts)
    found = dict.fromkeys(filter(telling, users), NO_USER)
    return found | dict.fromkeys(filter(telling, known), NO_HOST)


def addressed(*hosts: EndpointFacts) -> Mapping[str, str]:
    """Return the stand-ins of the addresses that hosts have by links of their own."""
    v4, v6, macs = _stand_ins(
        {address.address for host in hosts for address in host.addresses}
        | {route.gateway for host in hosts for route in host.routes if route.gateway}
        | {route.destination.partition("/")[0] for host in hosts for route in host.routes}
    )
    found: dict[str, str] = {}
    for host, link in ((one, link) for one in hosts for link in one.links):
        if not _identifies(link, host):
            continue
        if link.mac and link.mac != _NO_MAC:
            mac = link.mac.lower()
            found.setdefault(mac, next(macs))
            found[f"enx{mac.replace(':', '')}"] = f"enx{found[mac].replace(':', '')}"
        for address in sorted(set(_addresses(link, host)), key=int):
            if str(address) not in found and not (address.is_loopback or address.is_unspecified):
                found[str(address)] = next(v4 if isinstance(address, IPv4Address) else v6)
    return found


def _identifies(link: Link, host: EndpointFacts) -> bool:
    """Tell whether a link is the site's: neither loopback nor netbench's nor an engine's bridge."""
    if link.name == "lo" or _ENGINES.fullmatch(link.name):
        return False
    own = [ip_address(a.address) for a in host.addresses if a.link == link.name]
    site = [a for a in own if not a.is_link_local and not any(a in block for block in _BENCHMARK)]
    return bool(site) or link.kind not in _MADE


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
    """Return unused IPv4, IPv6 and MAC addresses reserved for documentation, without end."""
    v4 = (a for block in _DOCUMENTATION for a in map(str, block.hosts()) if a not in used)
    v6 = (a for number in range(1, 1 << 16) if (a := f"2001:db8::{number:x}") not in used)
    macs = (f"00:00:5e:00:53:{number:02x}" for number in range(1, 256))
    last = ("203.0.113.254", "2001:db8::ffff", "00:00:5e:00:53:ff")
    return chain(v4, repeat(last[0])), chain(v6, repeat(last[1])), chain(macs, repeat(last[2]))
