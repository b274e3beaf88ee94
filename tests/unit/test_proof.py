from dataclasses import replace

import pytest
from support.apart import ACROSS
from support.facts import (
    HOST_NET,
    bridge_pair,
    link,
    moved,
    none_pair,
    with_end,
    with_link,
    with_links,
    without_link,
)
from support.pairs import (
    PAIRS,
    overlay_across_pair,
    overlay_pair,
    with_ipv6,
    with_lan,
    with_machine,
)

from netbench.drivers import DRIVERS, PathClaim
from netbench.record import Address, PairFacts, PathProof, Route, Slice
from netbench.spec import MACHINE_PATHS, USER_MODE, Path, Role
from netbench.topology.paths import trimmed
from netbench.topology.proof import prove, route_to

RECEIVED = 1_000_000
BRIDGE = DRIVERS["bridge"]
EAST_WEST = Path.EAST_WEST
COUNTED = [("client", "eth0"), ("host", "vethc"), ("host", "veths"), ("server", "eth0")]
WAYS = [
    (driver.name, path)
    for driver in DRIVERS.values()
    for path, way in driver.ways.items()
    if isinstance(way, PathClaim)
]


def proof_of(
    name: str,
    before: PairFacts,
    after: PairFacts,
    path: Path = EAST_WEST,
    received: int = RECEIVED,
) -> PathProof:
    return prove(DRIVERS[name], path, after.target or "127.0.0.1", (before, after), received)


def pair(name: str, path: Path) -> PairFacts:
    if path is Path.ACROSS:
        return ACROSS[name]()
    if path in MACHINE_PATHS:
        facts = with_machine(PAIRS[name](), apart=(name, path) != ("host", Path.OUTSIDE))
        own = name in USER_MODE and path is Path.OUTSIDE  # they pass on to the container's own `lo`
        return replace(facts, entry="lo") if own else facts
    return with_lan(PAIRS[name]()) if path is Path.NORTH_SOUTH else PAIRS[name]()


def every_hop() -> list[tuple[str, Path, str, str]]:
    """Every counted link of every way."""
    return [
        (name, path, hop.role.value, hop.link.name)
        for name, path in WAYS
        for hop in DRIVERS[name].hops(path, pair(name, path))
        if hop.counted != "none"
    ]


@pytest.mark.parametrize(("name", "path"), WAYS)
def test_a_path_whose_counters_moved_is_proved(name: str, path: Path) -> None:
    before = pair(name, path)
    after = moved(before, RECEIVED)
    proof = proof_of(name, before, after, path)

    assert (proof.held, proof.problems, proof.required) == (True, (), RECEIVED)
    claimed = [(hop.role.value, hop.link.name) for hop in DRIVERS[name].hops(path, after)]
    assert claimed
    assert [(hop.namespace, hop.link) for hop in proof.hops] == claimed
    assert {hop.moved for hop in proof.hops if hop.counted != "none"} == {RECEIVED}


@pytest.mark.parametrize(("name", "path", "role", "link_name"), every_hop())
def test_a_counted_link_that_stood_still_breaks_the_proof(
    name: str, path: Path, role: str, link_name: str
) -> None:
    before = pair(name, path)
    proof = proof_of(name, before, moved(before, RECEIVED, but=(role, link_name)), path)

    assert not proof.held
    assert f"{role} {link_name} moved 0 bytes, the receiver got {RECEIVED}" in proof.problems


def test_encapsulated_bytes_are_counted_on_every_link_of_both_nodes() -> None:
    before = overlay_across_pair()
    proof = proof_of("overlay", before, moved(before, RECEIVED))

    assert proof.held
    assert [(hop.namespace, hop.link, hop.counted) for hop in proof.hops] == [
        ("client", "eth0", "tx"),
        ("lan", "vethc0", "rx"),
        ("lan", "br0", "none"),
        ("lan", "vxlan0", "tx"),
        ("lan", "lan0", "tx"),
        ("host", "nblan0", "rx"),
        ("sandbox", "vxlan0", "rx"),
        ("sandbox", "br0", "none"),
        ("sandbox", "veths0", "tx"),
        ("server", "eth0", "rx"),
    ]
    for hop in proof.hops:
        if hop.counted != "none":
            still = moved(before, RECEIVED, but=(hop.namespace, hop.link))
            assert not proof_of("overlay", before, still).held


def test_a_path_that_grew_shorter_during_the_trial_breaks_the_proof() -> None:
    """Without the sandbox only the two ends are claimed, and both are still there."""
    before = overlay_pair()
    after = replace(moved(before, RECEIVED), sandbox=None)
    proof = proof_of("overlay", before, after)

    assert not proof.held
    assert "sandbox vethc0 is not on the path any more" in proof.problems


def test_the_route_of_a_path_from_outside_is_the_outside_clients() -> None:
    before = with_lan(bridge_pair())
    after = replace(moved(before, RECEIVED), target="198.18.9.1")
    inside = proof_of("bridge", before, after, Path.HAIRPIN)
    outside = proof_of("bridge", before, after, Path.NORTH_SOUTH)

    assert inside.route == "198.18.9.1 via 198.18.0.1 dev eth0 (default)"
    assert outside.route == "198.18.9.1 dev lan0 (198.18.9.0/24)"


@pytest.mark.parametrize(("role", "name"), COUNTED)
def test_a_link_that_moved_one_byte_too_few_breaks_the_proof(role: str, name: str) -> None:
    before = bridge_pair()
    after = moved(moved(before, RECEIVED, but=(role, name)), RECEIVED - 1)
    slow = with_link(after, role, name, counters=moved_counters(before, role, name))
    proof = proof_of("bridge", before, slow)

    assert not proof.held
    assert proof.problems == (
        f"{role} {name} moved {RECEIVED - 1} bytes, the receiver got {RECEIVED}",
    )


def moved_counters(facts: PairFacts, role: str, name: str) -> object:
    found = getattr(moved(facts, RECEIVED - 1), role).link(name)
    return found.counters


@pytest.mark.parametrize(
    ("role", "name", "only"),
    [
        ("client", "eth0", "rx_bytes"),
        ("host", "vethc", "tx_bytes"),
        ("host", "veths", "rx_bytes"),
        ("server", "eth0", "tx_bytes"),
    ],
)
def test_bytes_in_the_other_direction_do_not_count(role: str, name: str, only: str) -> None:
    before = bridge_pair()
    found = getattr(before, role).link(name)
    backwards = replace(found.counters, **{only: RECEIVED})
    after = with_link(moved(before, RECEIVED), role, name, counters=backwards)

    assert not proof_of("bridge", before, after).held


def test_the_bridge_device_itself_counts_nothing_of_what_it_forwards() -> None:
    before = bridge_pair()
    after = moved(before, RECEIVED, but=("host", "docker0"))
    proof = proof_of("bridge", before, after)

    assert proof.held
    assert [(hop.link, hop.moved) for hop in proof.hops if hop.counted == "none"] == [
        ("docker0", 0)
    ]


def test_a_counter_that_began_anew_breaks_the_proof() -> None:
    before = moved(bridge_pair(), 10 * RECEIVED)

    assert not proof_of("bridge", before, moved(bridge_pair(), RECEIVED)).held


@pytest.mark.parametrize(
    ("role", "name", "change"),
    [
        ("client", "eth0", {"mtu": 9000}),
        ("server", "eth0", {"mac": "02:00:00:00:00:ff"}),
        ("host", "vethc", {"qdisc": "fq"}),
        ("host", "docker0", {"mtu": 1400}),
        ("host", "veths", {"offloads": ()}),
    ],
)
def test_a_link_that_changed_during_the_trial_breaks_the_proof(
    role: str, name: str, change: dict[str, object]
) -> None:
    before = bridge_pair()
    proof = proof_of("bridge", before, with_link(moved(before, RECEIVED), role, name, **change))

    assert not proof.held
    assert proof.problems[0].startswith(f"{role} {name} changed during the trial: ")


def test_a_link_made_anew_during_the_trial_breaks_the_proof() -> None:
    before = bridge_pair()
    after = with_link(moved(before, RECEIVED), "client", "eth0", index=30)
    after = with_link(after, "host", "vethc", peer=30)
    proof = proof_of("bridge", before, after)

    assert not proof.held
    assert "client eth0 was not there before the trial" in proof.problems


@pytest.mark.parametrize(("role", "name"), [*COUNTED, ("host", "docker0")])
def test_a_link_that_is_gone_breaks_the_proof(role: str, name: str) -> None:
    before = bridge_pair()
    proof = proof_of("bridge", before, without_link(moved(before, RECEIVED), role, name))

    assert proof.problems == ("links of the claimed path are missing",)
    assert not proof.held


@pytest.mark.parametrize("port", ["vethc", "veths"])
def test_a_port_that_moved_to_another_bridge_breaks_the_proof(port: str) -> None:
    both = with_links(bridge_pair(), "host", link("br9", 9, kind="bridge"))
    gone = with_link(both, "host", port, master="br9")

    assert not proof_of("bridge", both, moved(gone, RECEIVED)).held
    assert not proof_of("bridge", gone, moved(gone, RECEIVED)).held


def test_a_driver_without_a_path_proves_nothing() -> None:
    assert not proof_of("none", none_pair(), none_pair(), received=0).held


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("198.18.0.2", "198.18.0.2 dev eth0 (198.18.0.0/24)"),
        ("198.19.0.2", "198.19.0.2 via 198.18.0.1 dev eth0 (default)"),
        ("127.0.0.1", "127.0.0.1 local, dev lo"),
        ("198.18.0.3", "198.18.0.3 is the client's own, dev lo"),
        (None, "no address to reach"),
        ("2001:2::2", "2001:2::2 dev eth0 (2001:2::/64)"),
        ("2001:2:0:9::1", "2001:2:0:9::1 via 2001:2::1 dev eth0 (::/0)"),
        ("2001:2:0::3", "2001:2:0::3 is the client's own, dev lo"),
        ("::1", "::1 local, dev lo"),
    ],
)
def test_the_route_is_told_by_longest_prefix(target: str | None, words: str) -> None:
    assert route_to(with_ipv6(bridge_pair()).client, target) == words


def test_no_route_is_told() -> None:
    assert route_to(none_pair().client, "198.18.0.2") == "no route to 198.18.0.2"


def test_a_record_keeps_the_path_and_leaves_a_busy_hosts_rest_out() -> None:
    facts = bridge_pair()
    crowd = tuple(link(f"veth{n}", 100 + n, kind="veth") for n in range(50))
    routes = tuple(Route(f"10.{n}.0.0/16", None, "eth0") for n in range(50))
    facts = with_end(
        facts,
        "host",
        links=(*facts.host.links, *crowd),
        addresses=(*facts.host.addresses, Address("veth7", "10.7.0.1", 16)),
        routes=routes,
    )
    client, server, host = trimmed(facts, BRIDGE.hops(EAST_WEST, facts))

    assert (client, server) == (facts.client, facts.server)
    assert {x.name for x in host.links} >= {"lo", "docker0", "vethc", "veths"}
    assert len(host.links) < 10
    assert all(host.link(address.link) for address in host.addresses)
    assert len(host.routes) < 50
    assert (host.role, host.namespaces.net) == (Role.HOST, HOST_NET)


def test_a_record_keeps_the_lan_and_the_sandbox_of_a_path() -> None:
    facts = overlay_across_pair()
    kept = trimmed(facts, DRIVERS["overlay"].hops(EAST_WEST, facts))

    assert [end.role for end in kept] == [
        *(Role.CLIENT, Role.SERVER, Role.HOST, Role.LAN, Role.SANDBOX)
    ]
    assert kept[3:] == (facts.lan, facts.sandbox)


def test_a_record_keeps_what_is_around_a_client_on_another_machine() -> None:
    facts = ACROSS["overlay"]()
    kept = trimmed(facts, DRIVERS["overlay"].hops(Path.ACROSS, facts))

    assert [end.role for end in kept] == [
        *(Role.CLIENT, Role.SERVER, Role.HOST, Role.SANDBOX),
        *(Role.CLIENT_HOST, Role.CLIENT_SANDBOX),
    ]
    assert {x.name for x in kept[4].links} == {"lo", "eth0"}


@pytest.mark.parametrize(("name", "path"), WAYS)
def test_bytes_that_come_back_must_have_moved_the_other_way(name: str, path: Path) -> None:
    before = pair(name, path)
    after = moved(before, RECEIVED)
    target = after.target or "127.0.0.1"

    def proof(returned: int) -> PathProof:
        return prove(DRIVERS[name], path, target, (before, after), 0, returned=returned)

    backed = [hop.back for hop in proof(0).hops if hop.counted != "none"]
    assert proof(min(backed)).held
    assert proof(0).required == 0
    short = proof(min(backed) + 1)
    assert not short.held
    assert all("bytes back, the client got" in problem for problem in short.problems)


def sliced(*counts: tuple[int, int | None], returned: int = 0) -> list[Slice]:
    """Return slices of the bridge's five links: what was received, and what each link moved."""
    return [
        Slice(
            round=number,
            order=1,
            start=number,
            end=number + 0.1,
            value=1.0,
            received=received,
            returned=returned,
            moved=(moved_there, moved_there, None, moved_there, moved_there),
            back=(moved_there, moved_there, None, moved_there, moved_there),
        )
        for number, (received, moved_there) in enumerate(counts, start=1)
    ]


def proof_in(slices: list[Slice], received: int = RECEIVED, returned: int = 0) -> PathProof:
    """Return the proof of a session around which every link moved a hundred times as much."""
    before = bridge_pair()
    facts = before, moved(before, 100 * RECEIVED)
    target = before.target or "127.0.0.1"
    return prove(BRIDGE, EAST_WEST, target, facts, received, returned=returned, slices=slices)


def test_each_slice_must_have_moved_what_was_received_in_it() -> None:
    proof = proof_in(sliced((400_000, 500_000), (600_000, 700_000)))

    assert proof.held
    assert {hop.moved for hop in proof.hops if hop.counted != "none"} == {1_200_000}
    assert {hop.rx_after - hop.rx_before for hop in proof.hops} == {100 * RECEIVED}


def test_one_byte_too_few_in_one_slice_breaks_the_proof_and_names_the_round() -> None:
    proof = proof_in(sliced((400_000, 900_000), (600_000, 599_999)))

    assert not proof.held
    assert len(proof.problems) == 4
    assert proof.problems[0] == "round 2: client eth0 moved 599999 bytes, the receiver got 600000"


def test_bytes_that_came_back_must_have_moved_in_their_slice_too() -> None:
    """But for what the receive buffers of a client that was held may have kept for it."""
    buffers = 16 * 1024**2
    came = 10 * buffers
    short = proof_in(sliced((0, 9 * buffers - 1), returned=came), 0, returned=5_000)
    little = proof_in(sliced((0, 5_000), returned=10_002), 0, returned=5_000)

    assert short.problems[0] == (
        f"round 1: client eth0 moved {9 * buffers - 1} bytes back, "
        f"the client got at least {9 * buffers}"
    )
    assert not little.held, "half of it must have moved, however little it is"
    assert proof_in(sliced((0, 5_000), returned=10_000), 0, returned=5_000).held


@pytest.mark.parametrize(("kept", "held"), [(True, True), (False, False)])
def test_what_a_user_mode_network_had_already_may_come_in_with_a_slice(
    *, kept: bool, held: bool
) -> None:
    """Half of it at most, and no more than its buffers hold."""
    before = with_machine(bridge_pair(), apart=kept)
    facts = before, moved(before, 100 * RECEIVED)
    hops = len(BRIDGE.hops(Path.OUTSIDE, before))

    def proof(count: int) -> PathProof:
        one = replace(sliced((600_000, count))[0], moved=(count,) * hops, back=(count,) * hops)
        return prove(BRIDGE, Path.OUTSIDE, "127.0.0.1", facts, 600_000, slices=[one])

    assert proof(300_000).held is held
    assert not proof(299_999).held


def test_links_that_are_read_around_the_session_only_must_have_moved_everything() -> None:
    unread = [replace(one, moved=(), back=()) for one in sliced((RECEIVED, None))]

    for slices in (unread, sliced((RECEIVED, None))):
        proof = proof_in(slices)
        assert proof.held
        assert {hop.moved for hop in proof.hops if hop.counted != "none"} == {100 * RECEIVED}
        assert not proof_in(slices, received=101 * RECEIVED).held
