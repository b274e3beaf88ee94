from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bends import both_ends
from support.facts import GATEWAY, bridge_pair, with_end, with_link
from support.pairs import PAIRS, with_ipv6, with_lan

from netbench.drivers import (
    DRIVERS,
    FIREWALL,
    Closed,
    Driver,
    PathClaim,
    Proof,
    ReachPlace,
    plugin,
    varied,
)
from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_named
from netbench.record import Address, LinkCounters, PairFacts, RuleCounters
from netbench.spec import Attach, FirewallRules, NetworkSpec, Path, Recipe, Via, options_of

USER = DRIVERS["bridge:user"]
MTU = "eth0 has MTU 9000"
ROUTE = "the default route is the network's gateway"
NO_ROUTE = "there is no default route"
BARE = "the bridge has no address of the host's"
EXAMPLES: dict[str, tuple[str, ...]] = {
    "mtu": ("1280", "9000", "65535"),
    "family": ("4", "6"),
    "icc": ("true", "false"),
    "internal": ("true", "false"),
    "published": ("proxy", "nat"),
    "encrypted": ("true",),
    "cc": ("cubic", "dctcp-reno", "bbr2"),
    "gateway": ("nat", "nat-unprotected", "routed", "isolated"),
    "runtime": ("crun", "io.containerd.runc.v2", "kata_fc-1"),
    "rules": ("none", "iptables", "nftables"),
    "-o": ("x", "a=b"),
}
"""Values that are right, by option; `-o` stands for the engine's own."""
EVERY = [
    f"{name}@{'com.example.key' if option == '-o' else option}={value}"
    for name, driver in DRIVERS.items()
    for option in sorted(driver.options)
    for value in EXAMPLES[option]
]


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        driver_named(text)
    return caught.value.problems


def texts(driver: Driver) -> list[str]:
    return [promise.text for promise in driver.promises]


@pytest.mark.parametrize("text", EVERY)
def test_a_variant_is_a_driver_of_its_own_named_as_it_was_written(text: str) -> None:
    driver = driver_named(text)
    plain = DRIVERS[text.partition("@")[0]]

    assert driver.name == text
    assert driver.name != plain.name
    assert set(driver.ways) == set(Path)
    assert (driver.summary, driver.isolates, driver.options) == (
        plain.summary,
        plain.isolates,
        plain.options,
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bridge:user", "bridge:user"),
        ("macvlan", "macvlan:bridge"),
        ("ipvlan@mtu=1400", "ipvlan:l2@mtu=1400"),
        ("bridge:user @ mtu = 9000 + family = 6", "bridge:user@family=6+mtu=9000"),
        ("plugin:weave@mtu=1400", "plugin:weave@mtu=1400"),
        ("plugin:store/net:2.8@mtu=1400", "plugin:store/net:2.8@mtu=1400"),
        ("bridge:user@com.docker.x=a=b", "bridge:user@com.docker.x=a=b"),
    ],
)
def test_the_grammar(text: str, name: str) -> None:
    assert driver_named(text).name == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bridge:user@", "options are written key=value, joined by +; not ''"),
        ("bridge:user@mtu", "options are written key=value, joined by +; not 'mtu'"),
        ("bridge:user@=9000", "options are written key=value, joined by +; not '=9000'"),
        ("bridge:user@mtu=9000+", "options are written key=value, joined by +; not ''"),
        ("bridge:user@mtu=9000+mtu=1500", "option 'mtu' stands twice"),
        (
            "bridge:user@speed=9",
            (
                "bridge:user: unknown option 'speed'; it takes: cc, family, gateway, icc, "
                "internal, mtu, published, rules, runtime, any option of the engine's own, "
                "with a dot in its name"
            ),
        ),
        ("host@mtu=9000", "host: unknown option 'mtu'; it takes: cc, family, runtime"),
        ("none@family=6", "none: unknown option 'family'; it takes: runtime"),
        (
            "container@mtu=9000",
            "container: unknown option 'mtu'; it takes: cc, family, published, runtime",
        ),
        ("macvlan:bridge@icc=false", "unknown option 'icc'; it takes: cc, family, internal, mtu, "),
        ("overlay@published=nat", "unknown option 'published'"),
        (
            "bridge@mtu=9000",
            (
                "bridge: it is the engine's default network, whose mtu is not netbench's to set; "
                "use bridge:user@mtu=9000"
            ),
        ),
        ("bridge@icc=false", "use bridge:user@icc=false"),
        ("bridge@internal=true", "use bridge:user@internal=true"),
        ("bridge@com.example.key=1", "use bridge:user@com.example.key=1"),
        (
            "bridge@speed=9",
            "bridge: unknown option 'speed'; it takes: cc, family, published, runtime",
        ),
        ("pasta@mtu=9000", "pasta: unknown option 'mtu'; it takes: cc, runtime"),
        ("slirp4netns:fast", "driver 'slirp4netns' has no mode 'fast'; its modes: none"),
        ("bridge@gateway=routed", "use bridge:user@gateway=routed"),
        ("macvlan@gateway=routed", "macvlan:bridge: unknown option 'gateway'"),
        (
            "bridge:user@gateway=route",
            "gateway must be nat or nat-unprotected or routed or isolated, not 'route'",
        ),
        (
            "bridge:user@gateway=isolated+internal=false",
            "gateway=isolated is for internal networks alone, not for internal=false",
        ),
        (
            "bridge:user@gateway=routed+internal=true",
            "internal=true has no way in or out that gateway=routed could open",
        ),
        (
            "bridge:user@gateway=routed+published=nat",
            "gateway=routed publishes no port of the host's: it takes no `published`",
        ),
        ("host@runtime=", "runtime must be the name of one of the engine's runtimes, not ''"),
        ("host@runtime=-r", "runtime must be the name of one of the engine's runtimes, not '-r'"),
        ("bridge@runtime=a b", "one of the engine's runtimes, not 'a b'"),
        ("bridge:user@mtu=67", "mtu must be a whole number from 68 to 65535, not '67'"),
        ("bridge:user@mtu=65536", "mtu must be a whole number from 68 to 65535, not '65536'"),
        ("bridge:user@mtu=-1", "mtu must be a whole number from 68 to 65535, not '-1'"),
        ("bridge:user@mtu=1e3", "mtu must be a whole number from 68 to 65535, not '1e3'"),
        ("bridge:user@mtu=09000", "mtu must be a whole number from 68 to 65535, not '09000'"),
        ("bridge:user@mtu=٩٠٠٠", "mtu must be a whole number from 68 to 65535, not '٩٠٠٠'"),
        ("bridge:user@mtu=", "mtu must be a whole number from 68 to 65535, not ''"),
        ("host@cc=", "cc must be the name of a congestion control, such as cubic, not ''"),
        ("host@cc=-C", "cc must be the name of a congestion control, such as cubic, not '-C'"),
        ("host@cc=no such", "such as cubic, not 'no such'"),
        ("bridge@cc=sixteen_letters_", "such as cubic, not 'sixteen_letters_'"),
        ("none@cc=bbr", "none: unknown option 'cc'; it takes: runtime"),
        ("bridge:user@family=5", "family must be 4 or 6, not '5'"),
        ("bridge:user@family=ipv6", "family must be 4 or 6, not 'ipv6'"),
        ("bridge:user@icc=no", "icc must be true or false, not 'no'"),
        ("bridge@rules=none", "use bridge:user@rules=none"),
        ("overlay@rules=none", "unknown option 'rules'"),
        (
            "bridge:user@rules=legacy",
            "rules must be none or iptables or nftables, not 'legacy'",
        ),
        ("bridge:user@internal=1", "internal must be true or false, not '1'"),
        ("bridge:user@published=straight", "published must be proxy or nat, not 'straight'"),
        ("overlay@encrypted=false", "encrypted must be true, not 'false'"),
        ("bridge:user@com.example.key=", "com.example.key has no value"),
        ("bridge:user@family=6+mtu=1279", "IPv6 needs an MTU of at least 1280"),
        ("brigde@mtu=9000", "did you mean 'bridge'?"),
        ("bridge:usr@mtu=9000", "driver 'bridge' has no mode 'usr'; its modes: user"),
        ("plugin:", "plugin: needs the plug-in's name, as in plugin:weave"),
        ("@mtu=9000", "unknown driver ''"),
    ],
)
def test_what_is_wrong_is_told(text: str, problem: str) -> None:
    (found,) = problems(text)

    assert problem in found


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert problems("bridge:user@mtu=1+icc=no+speed=9") == (
        "bridge:user: mtu must be a whole number from 68 to 65535, not '1'",
        "bridge:user: icc must be true or false, not 'no'",
        (
            "bridge:user: unknown option 'speed'; it takes: cc, family, gateway, icc, internal, "
            "mtu, published, rules, runtime, any option of the engine's own, "
            "with a dot in its name"
        ),
    )


@given(st.permutations(["mtu=9000", "family=6", "icc=false", "published=nat", "com.x.y=1"]))
def test_the_order_of_options_makes_no_other_driver(words: list[str]) -> None:
    driver = driver_named(f"bridge:user@{'+'.join(words)}")

    assert driver.name == "bridge:user@com.x.y=1+family=6+icc=false+mtu=9000+published=nat"
    assert driver.recipe == Recipe(
        Attach.NETWORK,
        Attach.NETWORK,
        NetworkSpec("bridge", mtu=9000, ipv6=True, icc=False, options=(("com.x.y", "1"),)),
        family=6,
        published="nat",
    )
    assert driver.other == driver.recipe.network


@given(st.dictionaries(st.sampled_from(sorted(USER.options - {"-o"})), st.text()))
def test_any_values_make_a_driver_or_a_configuration_error(given_: dict[str, str]) -> None:
    found = outcome(lambda: varied(USER, given_))

    if isinstance(found, Driver):
        assert found.name.startswith("bridge:user")
        assert all(value in found.name for value in given_.values())
    else:
        assert found
        assert all(problem.startswith("bridge:user: ") for problem in found)


def outcome(make: Callable[[], Driver]) -> Driver | tuple[str, ...]:
    try:
        return make()
    except ConfigurationError as exc:
        return exc.problems


@given(st.text())
def test_any_text_names_a_driver_or_is_a_configuration_error(text: str) -> None:
    found = outcome(lambda: driver_named(text))

    assert found
    if isinstance(found, Driver):
        assert driver_named(found.name).name == found.name


def test_an_mtu_is_asked_for_and_promised() -> None:
    driver = driver_named("bridge:user@mtu=9000")
    assert driver.recipe.network == NetworkSpec("bridge", mtu=9000)
    assert texts(driver) == [*texts(USER), MTU]

    large = bridge_pair()
    for role, link in (("client", "eth0"), ("server", "eth0")):
        large = with_link(large, role, link, mtu=9000)
    assert broken(driver, large) == []
    assert broken(driver, bridge_pair()) == [MTU]
    assert broken(driver, with_link(large, "client", "eth0", mtu=1500)) == [MTU]


def test_the_mtu_of_a_pair_of_which_one_has_no_link_is_the_others() -> None:
    driver = driver_named("macvlan:passthru@mtu=9000")
    facts = PAIRS["macvlan:passthru"]()

    assert broken(driver, with_link(facts, "server", "eth0", mtu=9000)) == []
    assert broken(driver, facts) == [MTU]


def broken(driver: Driver, facts: PairFacts) -> list[str]:
    return [check.promise for p in driver.promises if not (check := p.judge(facts)).held]


@pytest.mark.parametrize("name", [name for name, d in DRIVERS.items() if "family" in d.options])
def test_family_6_asks_for_a_network_with_ipv6_and_uses_it(name: str) -> None:
    driver, plain = driver_named(f"{name}@family=6"), DRIVERS[name]

    assert (plain.recipe.family, driver.recipe.family) == (4, 6)
    assert driver.recipe.client is plain.recipe.client
    for network in (driver.recipe.network, driver.other):
        assert network is None or network.ipv6
    if plain.recipe.network:
        assert broken(driver, with_ipv6(PAIRS[name]())) == []


def with_rules(backend: FirewallRules, count: int) -> PairFacts:
    facts = bridge_pair()
    found = RuleCounters(backend, count, "nft list ruleset", LinkCounters(7, 7, 1, 1, 0, 0))
    return replace(facts, host=replace(facts.host, rules=found))


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        (bridge_pair(), ()),
        (with_rules("none", 0), ("none",)),
        (with_rules("none", 1), ()),
        (with_rules("nftables", 0), ()),
        (with_rules("nftables", 45), ("nftables",)),
        (with_rules("iptables", 45), ("iptables",)),
    ],
)
def test_rules_are_promised_as_they_are_read_back(facts: PairFacts, held: tuple[str, ...]) -> None:
    words = ("none", "iptables", "nftables")

    assert (
        tuple(x for x in words if not broken(driver_named(f"bridge:user@rules={x}"), facts)) == held
    )


def test_what_rules_count_is_a_hop_where_packets_are_forwarded() -> None:
    facts = with_lan(with_rules("nftables", 45))
    found = {
        (text, path): [
            (hop.link.kind, hop.link.counters.tx_bytes)
            for hop in driver_named(f"bridge:user@{text}").hops(path, facts)
            if hop.link.name == FIREWALL
        ]
        for text in ("rules=nftables", "published=proxy+rules=nftables")
        for path in (Path.EAST_WEST, Path.NORTH_SOUTH)
    }

    assert list(found.values()) == [[("nftables", 7)], [("nftables", 7)], [("nftables", 7)], []]


def test_a_shared_namespace_gets_its_ipv6_from_a_network_of_its_own() -> None:
    """Docker's default network rarely has IPv6, and without it a container may have no ::1."""
    recipe = driver_named("container@family=6").recipe

    assert (recipe.client, recipe.server) == (Attach.PEER, Attach.NETWORK)
    assert recipe.network == NetworkSpec("bridge", ipv6=True)


def test_containers_kept_apart_close_the_path_between_them() -> None:
    driver = driver_named("bridge:user@icc=false")
    way = driver.ways[Path.EAST_WEST]

    assert isinstance(way, Closed)
    assert way.proof is Proof.CONNECT
    assert driver.ways[Path.NORTH_SOUTH] == USER.ways[Path.NORTH_SOUTH]
    assert driver.recipe.network == NetworkSpec("bridge", icc=False)
    assert driver.reach[4][ReachPlace.CONTAINER, ReachPlace.PAIR] is False
    assert driver.reach[4][ReachPlace.PAIR, ReachPlace.PAIR] is True
    assert driver.reach[4][ReachPlace.LAN, ReachPlace.PUBLISHED] is True
    assert (ReachPlace.CONTAINER, ReachPlace.PUBLISHED) not in driver.reach[4]
    assert driver.reach[6][ReachPlace.CONTAINER, ReachPlace.PAIR] is False


def test_an_internal_network_has_no_way_in_or_out() -> None:
    driver = driver_named("bridge:user@internal=true")

    assert isinstance(driver.ways[Path.EAST_WEST], PathClaim)
    for path in (Path.NORTH_SOUTH, Path.HAIRPIN):
        way = driver.ways[path]
        assert isinstance(way, Closed)
        assert way.proof is Proof.PROMISES
    assert driver.recipe.network == NetworkSpec("bridge", internal=True)
    assert texts(driver) == [NO_ROUTE if text == ROUTE else text for text in texts(USER)]
    assert driver.reach[4][ReachPlace.CONTAINER, ReachPlace.LAN] is False
    assert driver.reach[4][ReachPlace.CONTAINER, ReachPlace.PAIR] is True
    assert not [ends for ends in driver.reach[4] if ReachPlace.PUBLISHED in ends]


@pytest.mark.parametrize("destination", ["default", "::/0"])
def test_an_internal_network_with_a_default_route_breaks_its_promise(destination: str) -> None:
    driver = driver_named("bridge:user@internal=true")
    facts = with_ipv6(bridge_pair())

    def kept(wanted: frozenset[str]) -> PairFacts:
        return both_ends(
            facts,
            lambda end: replace(
                end,
                routes=tuple(
                    r
                    for r in end.routes
                    if r.destination in wanted
                    or r.link != "eth0"
                    or r.destination not in {"default", "::/0"}
                ),
            ),
        )

    assert broken(driver, kept(frozenset())) == []
    assert broken(driver, kept(frozenset({destination}))) == [NO_ROUTE]


def test_a_gateway_mode_is_asked_for_and_decides_who_gets_in() -> None:
    inside, opened = (ReachPlace.LAN, ReachPlace.PAIR), (ReachPlace.LAN, ReachPlace.PUBLISHED)
    found = {}
    for mode in EXAMPLES["gateway"]:
        driver = driver_named(f"bridge:user@gateway={mode}")
        assert driver.recipe.network
        assert driver.recipe.network.gateway == mode
        assert driver.other == driver.recipe.network
        found[mode] = {(r.get(inside), r.get(opened)) for r in driver.reach.values()}

    assert found == {
        "nat": {(False, True), (False, None)},  # what IPv6 ports do is not promised
        "nat-unprotected": {(True, True), (True, None)},
        "routed": {(False, True)},
        "isolated": {(False, None)},
    }


def test_routed_containers_are_reached_by_published_ports_of_their_own() -> None:
    driver = driver_named("bridge:user@gateway=routed")
    way = driver.ways[Path.NORTH_SOUTH]

    assert isinstance(way, PathClaim)
    assert way.via is Via.ROUTED
    assert way.via.publishes
    assert [isinstance(driver.ways[p], Closed) for p in (Path.HAIRPIN, Path.ACROSS)] == [True, True]


def test_an_isolated_network_is_internal_and_its_bridge_has_no_address() -> None:
    driver = driver_named("bridge:user@gateway=isolated")
    facts = both_ends(
        bridge_pair(),
        lambda end: replace(end, routes=tuple(r for r in end.routes if r.link != "eth0")),
    )
    assert facts.ipam
    assert facts.ipam.bridge
    own, given = Address(facts.ipam.bridge, "fe80::1", 64), Address(facts.ipam.bridge, GATEWAY, 24)

    assert driver.recipe.network == NetworkSpec("bridge", internal=True, gateway="isolated")
    said = driver_named("bridge:user@gateway=isolated+internal=true")
    assert driver == replace(said, name=driver.name)
    assert broken(driver, with_end(facts, "host", addresses=(own,))) == []
    assert broken(driver, with_end(facts, "host", addresses=(own, given))) == [BARE]


def test_a_runtime_is_in_the_recipe_and_changes_nothing_else() -> None:
    takers = {name for name, driver in DRIVERS.items() if "runtime" in driver.options}
    assert takers == DRIVERS.keys() - {"netkit"}
    for name in takers:
        plain, driver = DRIVERS[name], driver_named(f"{name}@runtime=crun")
        recipe = replace(plain.recipe, runtime="crun")
        assert driver == replace(plain, name=driver.name, recipe=recipe)


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_whether_an_internal_ipvlan_routes_by_its_link_is_left_open(mode: str) -> None:
    plain, driver = DRIVERS[f"ipvlan:{mode}"], driver_named(f"ipvlan:{mode}@internal=true")

    assert set(texts(plain)) - set(texts(driver)) == {
        "the default route is eth0 itself, by no gateway"
    }
    assert NO_ROUTE not in texts(driver)


@pytest.mark.parametrize(
    "text",
    ["bridge:user@icc=true", "bridge:user@internal=false", "bridge:user@family=4"],
)
def test_what_is_said_of_a_default_changes_only_the_name(text: str) -> None:
    assert replace(driver_named(text), name=USER.name) == USER


@pytest.mark.parametrize("how", ["proxy", "nat"])
def test_how_ports_must_be_published_is_in_the_recipe(how: str) -> None:
    for name in ("bridge", "bridge:user", "container"):
        driver = driver_named(f"{name}@published={how}")
        assert driver.recipe == replace(DRIVERS[name].recipe, published=how)


def test_options_of_the_engine_are_handed_on() -> None:
    driver = driver_named("bridge:user@com.b=2+com.a=1")
    assert driver.recipe.network
    assert driver.recipe.network.options == (("com.a", "1"), ("com.b", "2"))

    assert varied(plugin("weave"), {"works": "x"}).recipe.network == NetworkSpec(
        "weave", options=(("works", "x"),)
    )
    overlay = driver_named("overlay@encrypted=true").recipe.network
    assert overlay == NetworkSpec("overlay", options=(("encrypted", "true"),))


@pytest.mark.parametrize("text", [*DRIVERS, *EVERY])
def test_no_reach_is_promised_that_a_way_denies(text: str) -> None:
    driver = driver_named(text)
    east_west, outside = driver.ways[Path.EAST_WEST], driver.ways[Path.NORTH_SOUTH]
    for promised in driver.reach.values():
        denied = isinstance(east_west, Closed)
        assert promised.get((ReachPlace.CONTAINER, ReachPlace.PAIR)) is not denied
        if isinstance(outside, Closed):
            assert promised.get((ReachPlace.LAN, ReachPlace.PUBLISHED)) is not True
            assert promised.get((ReachPlace.LAN, ReachPlace.PAIR)) is not True
        else:
            goals = (ReachPlace.PAIR, ReachPlace.PUBLISHED)
            assert any(promised.get((ReachPlace.LAN, goal)) is not False for goal in goals)


def test_variants_of_one_driver_differ_in_their_names() -> None:
    names = [driver_named(text).name for text in (*DRIVERS, *EVERY)]

    assert all(a != b for a, b in permutations(names, 2))


@pytest.mark.parametrize("name", ["host", "bridge:user", "macvlan:vepa", "overlay", "plugin:weave"])
def test_a_congestion_control_changes_nothing_but_what_tools_are_told(name: str) -> None:
    plain, varied = driver_named(name), driver_named(f"{name}@cc=reno")

    assert varied.recipe == replace(plain.recipe, congestion_control="reno")
    assert varied.promises == plain.promises
    assert options_of(varied.name) == {"cc": "reno"}


def test_options_are_read_back_from_a_name() -> None:
    assert options_of("bridge:user@cc=bbr+com.docker.x=a=b+family=6") == {
        "cc": "bbr",
        "com.docker.x": "a=b",
        "family": "6",
    }
    assert options_of("bridge:user") == {}
