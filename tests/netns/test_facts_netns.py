"""Both readers, and the witness of published ports, in namespaces that are wired by hand."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from support.hang import SOON
from support.program import wait_for
from support.require import require_or_skip

from netbench.errors import FactError
from netbench.facts.base import ports_in_use
from netbench.facts.cpu_time import TICK
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.facts.pair import NamespaceSet, Pair
from netbench.facts.procfs import LISTEN, SocketAddress
from netbench.record import Absent, EndpointFacts, FactValue, LinkCounters, PairFacts, Route
from netbench.spec import Role
from netbench.system.files import LOCAL, NOWHERE
from netbench.system.setns import in_netns
from netbench.watch.ports import PortWatch

HOST, HOST6, OUTSIDE, OUTSIDE6 = "198.18.1.1", "2001:2:0:1::1", "198.18.1.254", "2001:2:0:1::fe"
SERVER, SERVER6, CLIENT = "198.18.0.2", "2001:2::2", "198.18.0.3"
PORT, HOST_PORT = 20001, 30001
CHUNK = 100_000
"""Bytes: what fits into the buffers of a connection."""


@dataclass(frozen=True)
class Space:
    """A network namespace, held by a process that sleeps in it."""

    role: Role
    pid: int

    def run(self, *argv: str) -> str:
        where = ("nsenter", f"--net=/proc/{self.pid}/ns/net")
        done = subprocess.run((*where, *argv), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise FactError(f"`{' '.join(argv)}`: {done.stderr.strip()}")
        return done.stdout

    def ip(self, commands: str) -> None:
        """Run `ip` once a line."""
        for line in commands.strip().splitlines():
            self.run("ip", *line.split())

    @property
    def subject(self) -> NamespaceSet:
        def run(argv: tuple[str, ...]) -> str:
            if argv[0] == "readlink":  # of the holder, not of whoever looks
                paths = [path.replace("self", str(self.pid)) for path in argv[1:]]
                return "\n".join(str(Path(path).readlink()) for path in paths) + "\n"
            return self.run(*argv)

        return NamespaceSet(self.role, self.pid, (), run, files=LOCAL, here=True)


@pytest.fixture
def hold() -> Iterator[Callable[[Role], Space]]:
    """Make network namespaces that end with the test."""
    if os.geteuid() != 0:
        require_or_skip("root", "namespaces are wired here with the rights of root")
    ours = Path("/proc/self/ns/net").readlink()
    with ExitStack() as stack:

        def make(role: Role) -> Space:
            holder = subprocess.Popen(("unshare", "--net", "sleep", "300"))
            stack.callback(holder.wait)
            stack.callback(holder.kill)
            path = Path(f"/proc/{holder.pid}/ns/net")
            wait_for(lambda: path.readlink() != ours, within=SOON)
            space = Space(role, holder.pid)
            space.ip("link set lo up")
            return space

        yield make


@dataclass(frozen=True)
class World:
    """Client and server on a bridge of the host's, which is on the LAN by a veth."""

    client: Space
    server: Space
    host: Space
    lan: Space

    @property
    def pair(self) -> Pair:
        return Pair(
            self.client.subject,
            self.server.subject,
            self.host.subject,
            SERVER,
            None,
            lan=self.lan.subject,
            uplink="nblan0",
        )


@pytest.fixture
def world(hold: Callable[[Role], Space]) -> World:
    roles = (Role.CLIENT, Role.SERVER, Role.HOST, Role.LAN)
    client, server, host, lan = map(hold, roles)
    host.ip(
        f"""link add br0 type bridge
        link set br0 up
        addr add 198.18.0.1/24 dev br0
        addr add 2001:2::1/64 dev br0 nodad
        link add nblan0 type veth peer name lan0 netns {lan.pid}
        link set nblan0 up
        addr add {HOST}/24 dev nblan0
        addr add {HOST6}/64 dev nblan0 nodad"""
    )
    for space, last in ((client, 3), (server, 2)):
        host.ip(
            f"""link add v{last} type veth peer name eth0 netns {space.pid}
            link set v{last} master br0 up"""
        )
        space.ip(
            f"""link set eth0 up
            addr add 198.18.0.{last}/24 dev eth0
            addr add 2001:2::{last}/64 dev eth0 nodad
            route add default via 198.18.0.1
            -6 route add default via 2001:2::1"""
        )
    lan.ip(
        f"""link set lan0 up
        addr add {OUTSIDE}/24 dev lan0
        addr add {OUTSIDE6}/64 dev lan0 nodad
        route add default via {HOST}
        -6 route add default via {HOST6}"""
    )
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        in_netns(host.pid, partial(Path(f"/proc/sys/net/{name}").write_text, "1"))
    return World(client, server, host, lan)


def read(pair: Pair) -> tuple[PairFacts, PairFacts]:
    """Return what netlink sees, and what is seen from inside."""
    both = [*NetlinkReader().read([pair]), *InsideReader().read([pair])]
    netlink, inside = both

    assert isinstance(netlink, PairFacts), netlink
    assert isinstance(inside, PairFacts), inside
    return netlink, inside


def still(end: EndpointFacts | None) -> EndpointFacts:
    """Return facts without what IPv6's announcements move between two readings, or netlink's."""
    assert end
    zero = LinkCounters(0, 0, 0, 0, 0, 0)
    return replace(end, links=tuple(replace(x, counters=zero) for x in end.links), nsids=())


def routes(end: EndpointFacts | None) -> set[Route]:
    assert end
    return set(end.routes)


def test_both_readers_see_the_same_on_every_side(world: World) -> None:
    world.host.ip(
        """route add default nexthop via 198.18.1.254 nexthop via 198.18.1.253
        route add blackhole 10.9.0.0/16
        -6 route add default via 2001:2:0:1::fe
        -6 route add 2001:2:0:6::/64 nexthop via 2001:2::7 nexthop via 2001:2::8
        -6 route add 2001:2:0:8::/64 dev br0
        -6 route add 2001:2:0:8::/64 via 2001:2::5 dev br0 metric 50
        -6 route add blackhole 2001:2:0:9::/64
        -6 route add 2001:2:0:a::1/128 dev br0
        link add vx0 type vxlan id 5 dstport 4789 local 198.18.1.1 dev nblan0"""
    )
    netlink, inside = read(world.pair)

    for seen in netlink.ends:
        assert still(inside.end(seen.role)) == still(seen)
    assert (netlink.uplink, inside.uplink) == ("nblan0", "nblan0")
    assert routes(netlink.host) == {
        Route("default", "198.18.1.254", "nblan0"),
        Route("198.18.0.0/24", None, "br0"),
        Route("198.18.1.0/24", None, "nblan0"),
        Route("::/0", "2001:2:0:1::fe", "nblan0"),
        Route("2001:2::/64", None, "br0"),
        Route("2001:2:0:1::/64", None, "nblan0"),
        Route("2001:2:0:6::/64", "2001:2::7", "br0"),
        Route("2001:2:0:6::/64", "2001:2::8", "br0"),
        Route("2001:2:0:8::/64", "2001:2::5", "br0"),
        Route("2001:2:0:8::/64", None, "br0"),
        Route("2001:2:0:a::1/128", None, "br0"),
    }
    assert routes(netlink.client) == {
        Route("default", "198.18.0.1", "eth0"),
        Route("198.18.0.0/24", None, "eth0"),
        Route("::/0", "2001:2::1", "eth0"),
        Route("2001:2::/64", None, "eth0"),
    }


def test_namespaces_know_each_other_by_the_ids_that_their_links_carry(world: World) -> None:
    netlink, _ = read(world.pair)
    known = dict(netlink.host.nsids)
    ends = {x.name: x for x in netlink.host.links}

    assert ends["v3"].peer_nsid == known["client"]
    assert ends["v2"].peer_nsid == known["server"]
    assert ends["nblan0"].peer_nsid == known["lan"]
    assert netlink.lan
    for end, name in ((netlink.client, "eth0"), (netlink.server, "eth0"), (netlink.lan, "lan0")):
        link = end.link(name)
        assert link
        assert link.peer_nsid == dict(end.nsids)["host"]


def test_links_between_the_namespaces_have_their_offloads_read(world: World) -> None:
    netlink, inside = read(world.pair)
    for facts in (netlink, inside):
        assert facts.lan
        links = {f"{end.role}:{x.name}": x for end in facts.ends for x in end.links}
        for name in ("lan:lan0", "host:nblan0", "host:v2", "host:v3", "client:eth0"):
            assert links[name].offloads, name
        assert links["host:br0"].offloads is None


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_a_child_names_its_mode_its_parent_and_whose_it_is(world: World, mode: str) -> None:
    pid = world.server.pid
    world.server.ip("link del eth0")
    world.host.ip(f"link add link nblan0 name eth0 netns {pid} type macvlan mode {mode}")
    world.server.ip("link set eth0 up")
    netlink, inside = read(world.pair)
    parent, child = netlink.host.link("nblan0"), netlink.server.link("eth0")

    assert parent
    assert child
    assert (child.kind, child.mode, child.parent) == ("macvlan", mode, parent.index)
    assert child.peer_nsid == dict(netlink.server.nsids)["host"]
    assert still(inside.server) == still(netlink.server)
    assert still(inside.host) == still(netlink.host)


def test_a_veth_whose_ends_have_the_same_index_still_has_a_peer(world: World) -> None:
    world.host.ip(
        f"link add same0 index 77 type veth peer name same1 index 77 netns {world.client.pid}"
    )
    netlink, inside = read(world.pair)
    for facts in (netlink, inside):
        link = facts.host.link("same0")
        assert link
        assert (link.index, link.peer) == (77, 77)


@pytest.fixture
def overlay(world: World, hold: Callable[[Role], Space]) -> tuple[World, Space]:
    """The server's link ends in a namespace of its own, which has no process that is told of."""
    sandbox = hold(Role.SANDBOX)
    world.server.ip("link del eth0")
    sandbox.ip(
        f"""link add br0 type bridge
        link add veth0 type veth peer name eth0 netns {world.server.pid}
        link set veth0 master br0 up"""
    )
    return world, sandbox


def in_file(space: Space) -> NamespaceSet:
    """Return a namespace that a file names, with a process that is not in it."""
    return replace(space.subject, pid=os.getpid(), netns=f"/proc/{space.pid}/ns/net")


def test_a_sandbox_is_read_by_its_file_and_knows_whose_links_end_there(
    overlay: tuple[World, Space],
) -> None:
    world, sandbox = overlay
    netlink, inside = read(replace(world.pair, sandbox=in_file(sandbox)))

    assert netlink.sandbox
    assert netlink.sandbox.namespaces.net == Path(f"/proc/{sandbox.pid}/ns/net").stat().st_ino
    port, eth0 = netlink.sandbox.link("veth0"), netlink.server.link("eth0")
    assert port
    assert eth0
    assert (port.peer, eth0.peer, port.master) == (eth0.index, port.index, "br0")
    assert dict(netlink.sandbox.nsids) == {"server": port.peer_nsid}
    assert port.offloads
    assert inside.sandbox is None
    assert any("sandbox" in note for note in inside.notes)


def test_a_sandbox_that_may_not_be_entered_is_a_note(world: World) -> None:
    gone = replace(world.host.subject, role=Role.SANDBOX, pid=os.getpid(), netns="/run/none/1-abc")
    netlink, _ = read(replace(world.pair, sandbox=gone))

    assert netlink.sandbox is None
    assert netlink.notes == (
        (
            "the overlay's sandbox is not read: network namespace of /run/none/1-abc: "
            "No such file or directory"
        ),
    )


def test_a_later_reading_is_of_the_same_namespaces(
    overlay: tuple[World, Space], hold: Callable[[Role], Space]
) -> None:
    world, sandbox = overlay
    pair = replace(world.pair, sandbox=in_file(sandbox))
    netlink, inside = NetlinkReader(), InsideReader()
    seen, told = (reader.read([pair])[0] for reader in (netlink, inside))
    assert isinstance(seen, PairFacts)
    assert isinstance(told, PairFacts)
    now = netlink.again(pair, seen)

    assert [end.namespaces.net for end in now.ends] == [end.namespaces.net for end in seen.ends]
    assert [end.role for end in inside.again(pair, told).ends] == [
        "client",
        "server",
        "host",
        "lan",
    ]
    other = replace(in_file(hold(Role.SANDBOX)))
    with pytest.raises(FactError, match="the sandbox moved"):
        netlink.again(replace(pair, sandbox=other), seen)
    with pytest.raises(FactError, match="the sandbox is gone"):
        netlink.again(replace(pair, sandbox=replace(other, netns="/run/none")), seen)
    elsewhere = hold(Role.LAN).subject
    with pytest.raises(FactError, match="the lan moved"):
        netlink.again(replace(pair, lan=elsewhere), seen)
    with pytest.raises(FactError, match=r"the lan \(process \d+\) is gone"):
        inside.again(replace(pair, lan=elsewhere), told)


def test_a_later_reading_from_inside_has_routes_and_counters_of_then(world: World) -> None:
    reader = InsideReader()
    (seen,) = reader.read([world.pair])
    assert isinstance(seen, PairFacts)
    world.lan.ip("-6 route add 2001:2:0:7::/64 dev lan0")
    with in_netns(world.lan.pid, lambda: socket.socket(type=socket.SOCK_DGRAM)) as sender:
        for _ in range(3):
            sender.sendto(bytes(1000), (HOST, 9))
    now = reader.again(world.pair, seen)

    assert now.lan
    assert seen.lan
    assert routes(now.lan) - routes(seen.lan) == {Route("2001:2:0:7::/64", None, "lan0")}
    before, after = seen.lan.link("lan0"), now.lan.link("lan0")
    assert before
    assert after
    assert after.counters.tx_bytes - before.counters.tx_bytes >= 3000


@dataclass(frozen=True)
class Way:
    """A connection over a published port, and what there was to see of it."""

    facts: dict[str, FactValue]
    seconds: float
    """That the look took."""


def connected(
    world: World,
    caller: Space,
    *,
    target: str = HOST,
    server: Space | None = None,
    ports: tuple[int, int] = (HOST_PORT, PORT),
    load: int = 0,
    change: Callable[[NamespaceSet], NamespaceSet] = lambda host: host,
) -> Way:
    """Connect, look and return the facts; `load` chunks go over it meanwhile."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    outside, inside = ports
    server = server or world.server
    witness = PortWatch(
        change(world.host.subject), server.subject, SocketAddress(target, outside), inside
    )
    with ExitStack() as stack:
        listener = stack.enter_context(in_netns(server.pid, lambda: socket.socket(family)))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", inside))
        listener.listen()
        witness.start()
        client = stack.enter_context(in_netns(caller.pid, lambda: socket.socket(family)))
        client.settimeout(5.0)
        client.connect((target, outside))
        accepted = stack.enter_context(listener.accept()[0])
        for _ in range(load):
            client.sendall(bytes(CHUNK))
            accepted.recv(CHUNK, socket.MSG_WAITALL)
        begun = time.perf_counter()
        witness.look()
        took = time.perf_counter() - begun
    return Way(dict(witness.stop()), took)


@pytest.fixture
def nat(world: World) -> World:
    """The port published by rules of the host's, for the LAN and for containers beside it."""
    if shutil.which("nft") is None:
        require_or_skip("nft", "nft is not installed")
    rules = f"""table inet published {{
        chain prerouting {{
            type nat hook prerouting priority dstnat
            ip daddr {HOST} tcp dport {HOST_PORT} dnat ip to {SERVER}:{PORT}
            ip6 daddr {HOST6} tcp dport {HOST_PORT} dnat ip6 to [{SERVER6}]:{PORT}
        }}
        chain postrouting {{
            type nat hook postrouting priority srcnat
            ip saddr 198.18.0.0/24 ip daddr 198.18.0.0/24 ct status dnat masquerade
        }}
    }}"""
    world.host.run("nft", rules)
    return world


def proxy_for(world: World, stack: ExitStack, host: str = HOST, to: str = SERVER) -> None:
    """Start Docker's proxy in the host's namespace."""
    tool = shutil.which("docker-proxy", path=f"{os.environ['PATH']}:/usr/libexec/docker")
    if tool is None:
        require_or_skip("docker", "docker-proxy is not installed")
    # It tells its parent on descriptor 3 that it listens.
    argv = ["sh", "-c", 'exec "$0" "$@" 3>/dev/null', tool, "-proto", "tcp"]
    argv += ["-host-ip", host, "-host-port", str(HOST_PORT)]
    argv += ["-container-ip", to, "-container-port", str(PORT)]
    process = in_netns(world.host.pid, lambda: subprocess.Popen(argv))
    stack.callback(process.wait)
    stack.callback(process.kill)
    wait_for(lambda: HOST_PORT in ports_in_use(world.host.subject, LISTEN), within=SOON)


@pytest.fixture
def proxied(world: World) -> Iterator[World]:
    """The port published by the proxy alone."""
    with ExitStack() as stack:
        proxy_for(world, stack)
        yield world


@pytest.mark.parametrize("target", [HOST, HOST6])
def test_a_port_that_rules_translate_is_served_by_nat(nat: World, target: str) -> None:
    way = connected(nat, nat.lan, target=target)
    evidence = str(way.facts["trial.published_evidence"])

    assert way.facts["trial.published_via"] == "nat"
    assert way.facts["trial.proxy_cpu"] == Absent("no proxy process serves the port")
    if target == HOST:
        assert f"the server has {SERVER}:{PORT} from {OUTSIDE}:" in evidence
        assert f"the host no socket of {HOST}:{HOST_PORT}" in evidence
        assert f"to {HOST}:{HOST_PORT}, answered by {SERVER}:{PORT}" in evidence
    else:
        assert f"to [{HOST6}]:{HOST_PORT}, answered by [{SERVER6}]:{PORT}" in evidence


def test_a_translated_hairpin_is_nat_although_the_server_sees_the_host(nat: World) -> None:
    way = connected(nat, nat.client)
    evidence = str(way.facts["trial.published_evidence"])

    assert way.facts["trial.published_via"] == "nat"
    assert f"the server has {SERVER}:{PORT} from 198.18.0.1:" in evidence
    assert f"conntrack has {CLIENT}:" in evidence


@pytest.mark.parametrize("caller", ["client", "lan"])
def test_a_port_that_the_proxy_accepts_is_served_by_it(proxied: World, caller: str) -> None:
    way = connected(proxied, getattr(proxied, caller), load=4000)
    evidence = str(way.facts["trial.published_evidence"])
    used = way.facts["trial.proxy_cpu"]

    assert way.facts["trial.published_via"] == "proxy"
    assert isinstance(used, float)
    assert used >= TICK
    assert f"the host itself {HOST}:{HOST_PORT} from " in evidence


def test_conntrack_agrees_about_the_proxy_where_connections_are_tracked(proxied: World) -> None:
    if shutil.which("nft") is None:
        require_or_skip("nft", "nft is not installed")
    chain = "chain input { type filter hook input priority 0; ct state invalid drop; }"
    proxied.host.run("nft", f"table inet tracked {{ {chain}; }}")
    way = connected(proxied, proxied.lan)

    assert way.facts["trial.published_via"] == "proxy"
    answered = f"to {HOST}:{HOST_PORT}, answered by {HOST}:{HOST_PORT}"
    assert answered in str(way.facts["trial.published_evidence"])


def test_a_proxy_that_leads_to_ipv4_from_ipv6_is_found(world: World) -> None:
    with ExitStack() as stack:
        proxy_for(world, stack, host=HOST6, to=SERVER6)
        way = connected(world, world.lan, target=HOST6)

    assert way.facts["trial.published_via"] == "proxy"
    assert isinstance(way.facts["trial.proxy_cpu"], float)


def test_where_both_serve_the_port_the_one_that_did_is_told(proxied: World, nat: World) -> None:
    assert connected(nat, nat.lan).facts["trial.published_via"] == "nat"
    used = connected(proxied, proxied.lan).facts["trial.proxy_cpu"]
    assert isinstance(used, float)
    assert used <= TICK


def test_a_proxy_of_another_engine_is_not_ours(world: World, hold: Callable[[Role], Space]) -> None:
    elsewhere = hold(Role.HOST)
    elsewhere.ip(f"addr add {HOST}/32 dev lo")
    with ExitStack() as stack:
        proxy_for(replace(world, host=elsewhere), stack)
        way = connected(world, world.lan, server=world.host, ports=(PORT, PORT))

    assert way.facts["trial.proxy_cpu"] == Absent("no proxy process serves the port")


def test_a_server_that_has_the_host_s_own_address_is_reached_straight(world: World) -> None:
    way = connected(world, world.lan, server=world.host, ports=(PORT, PORT))

    assert way.facts["trial.published_via"] == "straight"
    assert "which is what the client connected to" in str(way.facts["trial.published_evidence"])


def test_who_may_not_enter_reads_conntrack_as_text(nat: World) -> None:
    """As a user does who has only the engine's socket: sockets by /proc, the rest by a command."""
    way = connected(nat, nat.lan, change=lambda host: replace(host, netns="/run/none"))

    assert way.facts["trial.published_via"] == "nat"
    assert f"answered by {SERVER}:{PORT}" in str(way.facts["trial.published_evidence"])


def test_an_engine_elsewhere_is_asked_by_commands_alone(nat: World) -> None:
    way = connected(nat, nat.lan, change=lambda host: replace(host, files=NOWHERE, here=False))

    assert way.facts["trial.published_via"] == "nat"
    assert isinstance(way.facts["trial.proxy_cpu"], Absent)


def test_sockets_suffice_where_conntrack_is_closed(nat: World) -> None:
    def closed(host: NamespaceSet) -> NamespaceSet:
        def run(argv: tuple[str, ...]) -> str:
            if "nf_conntrack" in argv[-1]:
                raise FactError("/proc/net/nf_conntrack: Permission denied")
            return host.run(argv)

        return replace(host, run=run, netns="/run/none")

    way = connected(nat, nat.lan, change=closed)

    assert way.facts["trial.published_via"] == "nat"
    assert "Permission denied" in str(way.facts["trial.published_evidence"])


def test_no_connection_is_no_way(nat: World) -> None:
    witness = PortWatch(nat.host.subject, nat.server.subject, SocketAddress(HOST, HOST_PORT), PORT)
    witness.start()
    witness.look()

    assert dict(witness.stop())["trial.published_via"] == Absent(
        "nothing shows which way the port was served"
    )
