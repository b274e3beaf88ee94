from dataclasses import replace

import pytest
from support.facts import HOST_NET, end, link

from netbench.record import Address, EndpointFacts, Link, Route
from netbench.spec import Role
from netbench.workflow.preflight import parent_problems

LOGIN = "192.0.2.7"


def host(*more: Link) -> EndpointFacts:
    """A host that is reached by eth0 and has eth1 to spare."""
    links = (link("eth0", 2), link("eth1", 3), *more)
    return end(
        Role.HOST,
        HOST_NET,
        links=links,
        addresses=(Address("eth0", LOGIN, 24), Address("eth0", "2001:db8::7", 64)),
        routes=(Route("192.0.2.0/24", None, "eth0"), Route("default", "192.0.2.1", "eth0")),
    )


def problems(
    facts: EndpointFacts, name: str, *, in_use: bool = False, login: str | None = None
) -> list[str]:
    return parent_problems(facts, name, in_use=in_use, login=login)


def test_an_interface_that_nobody_needs_may_serve() -> None:
    assert problems(host(), "eth1", login=LOGIN) == []


def test_one_that_is_not_there_is_answered_by_those_that_could_serve() -> None:
    others = (
        link("eth2", 4, up=False),
        link("eth3", 5, master="br0"),
        link("br0", 6, kind="bridge"),
        link("vetha", 7, kind="veth", peer=2, peer_nsid=0),
        link("mv0", 8, kind="macvlan", mode="bridge", parent=3),
        link("vlan5", 9, kind="vlan", parent=3),
    )

    assert problems(host(*others), "ens3") == [
        "ens3 is no interface of the engine's host: name one that could serve, such as eth1, vlan5"
    ]


def test_where_none_could_serve_the_emulated_lan_is_the_way() -> None:
    facts = replace(host(), links=host().links[:2])

    (said,) = problems(facts, "ens3")
    assert said == (
        "ens3 is no interface of the engine's host: "
        "it has none that is up, free and not in use, so leave --parent out"
    )


def test_the_address_of_the_login_is_not_proposed() -> None:
    facts = replace(host(), routes=())

    (said,) = problems(facts, "ens3", login=LOGIN)
    assert said.endswith("such as eth1")


def test_loopback_is_no_parent_even_when_in_use() -> None:
    (said,) = problems(host(), "lo", in_use=True)

    assert said.startswith("lo is loopback")
    assert said.endswith("such as eth1")


def test_one_that_is_down_names_the_command() -> None:
    assert problems(host(link("eth2", 4, up=False)), "eth2") == [
        "eth2 is down, and so would be every child: `ip link set eth2 up`"
    ]


def test_one_without_carrier_would_lead_nowhere() -> None:
    (said,) = problems(host(link("eth2", 4, carrier=False)), "eth2")

    assert said.startswith("eth2 has no carrier")


@pytest.mark.parametrize("kind", ["macvlan", "macvtap", "ipvlan", "ipvtap"])
def test_a_child_is_no_parent_and_its_own_is_named(kind: str) -> None:
    (said,) = problems(host(link("child0", 4, kind=kind, parent=3)), "child0", in_use=True)

    assert said.startswith(f"child0 is itself a {kind}")
    assert said.endswith("name that parent, eth1")


def test_a_child_whose_parent_is_elsewhere_names_what_could_serve() -> None:
    child = link("child0", 4, kind="macvlan", parent=3, peer_nsid=0)

    (said,) = problems(host(child), "child0")
    assert said.endswith("such as eth1")


@pytest.mark.parametrize("kind", ["bridge", "bond"])
def test_a_port_names_what_it_is_a_port_of(kind: str) -> None:
    facts = host(link("eth2", 4, master="up0"), link("up0", 5, kind=kind))

    (said,) = problems(facts, "eth2")
    assert said == (
        f"eth2 is a port of the {kind} up0, which takes every frame that arrives: "
        "name up0, or free it with `ip link set eth2 nomaster`"
    )


@pytest.mark.parametrize(
    "route", [Route("default", "192.0.2.1", "eth1"), Route("::/0", "fe80::1", "eth1")]
)
def test_the_default_route_needs_leave_and_says_why(route: Route) -> None:
    facts = replace(host(), routes=(route,))
    (said,) = problems(facts, "eth1")

    assert said.startswith(f"eth1 carries the default route by {route.gateway}")
    assert "RFC 6815" in said
    assert "promiscuous" in said
    assert "--parent-in-use" in said
    assert problems(facts, "eth1", in_use=True) == []


@pytest.mark.parametrize("login", [LOGIN, "2001:db8:0::7", "2001:db8::7%eth0"])
def test_the_address_of_the_login_needs_leave(login: str) -> None:
    facts = replace(host(), routes=())
    (said,) = problems(facts, "eth0", login=login)

    assert said.startswith(f"eth0 has {login}, the address of your own login")
    assert "--parent-in-use" in said
    assert problems(facts, "eth0", login=login, in_use=True) == []


@pytest.mark.parametrize("login", [None, "", "somewhere", "192.0.2.70"])
def test_another_address_is_nobody_s_login(login: str | None) -> None:
    assert problems(replace(host(), routes=()), "eth0", login=login) == []


def test_everything_is_told_at_once() -> None:
    bad = link("eth2", 4, kind="macvlan", parent=3, master="br0", up=False)
    facts = host(bad, link("br0", 5, kind="bridge"))
    facts = replace(
        facts,
        addresses=(Address("eth2", LOGIN, 24),),
        routes=(Route("default", None, "eth2"),),
    )
    said = problems(facts, "eth2", login=LOGIN)

    assert [words.partition(",")[0].partition(":")[0] for words in said] == [
        "eth2 is itself a macvlan",
        "eth2 is a port of the bridge br0",
        "eth2 is down",
        "eth2 carries the default route",
        f"eth2 has {LOGIN}",
    ]
    assert len(problems(facts, "eth2", login=LOGIN, in_use=True)) == 3
