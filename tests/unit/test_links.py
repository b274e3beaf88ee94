from collections.abc import Callable
from dataclasses import replace

import pytest
from support.facts import (
    CLIENT_NSID,
    bridge_pair,
    host_pair,
    link,
    with_end,
    with_link,
    with_links,
    without_link,
)
from support.pairs import (
    LAN_NSID,
    children_pair,
    on_lan,
    overlay_across_pair,
    overlay_pair,
    overlay_seen_from_outside,
    passthru_pair,
    plain_pair,
)

from netbench.drivers import links
from netbench.record import PairFacts

Bend = Callable[[PairFacts], PairFacts]


def without_lan(facts: PairFacts) -> PairFacts:
    return replace(facts, lan=None)


def without_uplink(facts: PairFacts) -> PairFacts:
    return replace(facts, uplink=None)


def host_calls_the_lan(nsid: int) -> Bend:
    """The host's end of the wire says that its peer is in the namespace of that id."""
    return lambda facts: with_link(facts, "host", facts.uplink or "", peer_nsid=nsid)


NO_WIRE: dict[str, Bend] = {
    "there is no LAN": without_lan,
    "the uplink is not known": without_uplink,
    "the uplink is not there": lambda f: without_link(f, "host", f.uplink or ""),
    "the uplink is no veth": lambda f: with_link(f, "host", f.uplink or "", kind=None),
    "the uplink's peer is in its own netns": lambda f: with_link(
        f, "host", f.uplink or "", peer_nsid=None
    ),
    "the uplink's peer is in another netns": host_calls_the_lan(LAN_NSID + 5),
    "the uplink's peer has another index": lambda f: with_link(f, "host", f.uplink or "", peer=99),
    "the LAN's end names another peer": lambda f: with_link(
        f, "lan", f.lan.links[1].name if f.lan else "", peer=99
    ),
    "the LAN's end is no veth": lambda f: with_link(
        f, "lan", f.lan.links[1].name if f.lan else "", kind="tap"
    ),
}


@pytest.mark.parametrize("words", NO_WIRE)
@pytest.mark.parametrize(
    ("claim", "facts"),
    [
        (links.lan_to_host, on_lan(host_pair())),
        (links.lan_to_published, on_lan(bridge_pair())),
        (links.lan_to_published, overlay_pair()),
        (links.lan_to_end, plain_pair()),
        (links.across_overlay, overlay_across_pair()),
    ],
    ids=["host", "bridge", "overlay", "plain", "across"],
)
def test_a_path_from_the_lan_needs_the_whole_wire(
    claim: Callable[[PairFacts], links.Hops], facts: PairFacts, words: str
) -> None:
    assert claim(facts)
    assert claim(NO_WIRE[words](facts)) == ()


@pytest.mark.parametrize(
    "words", [words for words in NO_WIRE if words != "the uplink is not known"]
)
def test_a_child_is_reached_over_the_wire_that_ends_in_its_parent(words: str) -> None:
    facts = children_pair("macvlan", "bridge")

    assert [hop.link.name for hop in links.lan_to_child(facts)] == ["lan1", "nblan1", "eth0"]
    assert links.lan_to_child(NO_WIRE[words](facts)) == ()


def test_a_real_parent_has_no_lan_at_its_other_end() -> None:
    facts = with_link(children_pair("macvlan", "bridge"), "host", "nblan1", kind=None, peer=None)

    assert links.between_children(facts)
    assert links.lan_to_child(facts) == ()


@pytest.mark.parametrize(
    "bend",
    [
        lambda f: without_link(f, "client", "eth0"),
        lambda f: without_link(f, "server", "eth0"),
        lambda f: without_link(f, "host", "nblan1"),
        lambda f: with_link(f, "server", "eth0", parent=2),
        lambda f: with_link(f, "client", "eth0", peer_nsid=None),
        lambda f: with_link(f, "client", "eth0", peer_nsid=7),
    ],
    ids=["client", "server", "parent", "other-parent", "own-netns", "other-netns"],
)
def test_children_of_one_parent_only_are_neighbours(bend: Bend) -> None:
    facts = children_pair("ipvlan", "l2")

    assert len(links.between_children(facts)) == 3
    assert links.between_children(bend(facts)) == ()


def test_a_parent_is_told_from_a_link_of_that_index_elsewhere() -> None:
    facts = children_pair("macvlan", "bridge")
    elsewhere = with_end(facts, "client", nsids=(("host", 5),))

    assert links.parent_of(facts.client, facts) == facts.host.link("nblan1")
    assert links.parent_of(elsewhere.client, elsewhere) is None
    assert links.parent_of(passthru_pair().client, facts) is None


def test_a_published_port_leads_to_the_link_that_ends_in_a_bridge_of_the_host() -> None:
    """An overlay's eth0 ends in its sandbox; its eth1 is what ports are published on."""
    hops = links.lan_to_published(overlay_pair())

    assert [hop.link.name for hop in hops] == [
        "lan0",
        "nblan0",
        "docker_gwbridge",
        "vethgs",
        "eth1",
    ]
    assert [hop.counted for hop in hops] == ["tx", "rx", "tx", "tx", "rx"]  # routed: counted
    assert links.lan_to_published(without_link(overlay_pair(), "server", "eth1")) == ()


@pytest.mark.parametrize(
    "bend",
    [
        lambda f: without_link(f, "client", "eth0"),
        lambda f: without_link(f, "server", "eth0"),
        lambda f: without_link(f, "sandbox", "veths0"),
        lambda f: without_link(f, "sandbox", "br0"),
        lambda f: with_link(f, "sandbox", "veths0", master=None),
        lambda f: with_link(f, "sandbox", "veths0", peer_nsid=9),
        lambda f: with_link(
            with_links(f, "sandbox", link("br1", 12, kind="bridge")),
            "sandbox",
            "vethc0",
            master="br1",
        ),
    ],
    ids=["client", "server", "port", "bridge", "no-master", "other-netns", "two-bridges"],
)
def test_an_overlay_on_one_node_is_bridged_in_its_sandbox(bend: Bend) -> None:
    assert len(links.across_overlay(overlay_pair())) == 5
    assert links.across_overlay(bend(overlay_pair())) == ()


@pytest.mark.parametrize(
    "bend",
    [
        lambda f: without_link(f, "lan", "vethc0"),
        lambda f: without_link(f, "lan", "br0"),
        lambda f: without_link(f, "lan", "vxlan0"),
        lambda f: with_link(f, "lan", "vxlan0", master=None),
        lambda f: with_end(f, "lan", nsids=(("client", CLIENT_NSID + 5),)),
        lambda f: without_link(f, "sandbox", "vxlan0"),
        lambda f: with_link(f, "sandbox", "vxlan0", master=None),
        lambda f: with_link(f, "sandbox", "veths0", master=None),
    ],
    ids=[
        "far-port",
        "far-bridge",
        "far-tunnel",
        "far-tunnel-loose",
        "far-netns",
        "near-tunnel",
        "near-tunnel-loose",
        "near-port-loose",
    ],
)
def test_an_overlay_across_nodes_needs_both_ends_of_its_tunnel(bend: Bend) -> None:
    assert len(links.across_overlay(overlay_across_pair())) == 10
    assert links.across_overlay(bend(overlay_across_pair())) == ()


def test_without_its_sandbox_an_overlay_shows_its_ends() -> None:
    facts = overlay_seen_from_outside()

    assert links.across_overlay(facts) == links.ends_only(facts)
    assert links.across_overlay(without_link(facts, "server", "eth0")) == ()


@pytest.mark.parametrize("role", ["client", "server"])
def test_ends_that_are_not_there_are_no_path(role: str) -> None:
    facts = without_link(plain_pair(), role, "eth0")

    assert links.ends_only(facts) == ()
    assert bool(links.lan_to_end(facts)) == (role == "client")
