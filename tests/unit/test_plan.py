from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.drivers import DRIVERS
from netbench.errors import ConfigurationError
from netbench.plan import Options, Plan, build, load_suite, parse, round_order
from netbench.plan.model import place
from netbench.probes import PROBES, TcpRoundTrip, TcpThroughput
from netbench.record import PlacementCpus
from netbench.spec import Arm, Cpus, CpuTopology, NetworkSpec, Placement
from netbench.spec import Path as Way

TWO = CpuTopology((0, 1), ((0,), (1,)))
ONE = CpuTopology((0,), ((0,),))
SMT = CpuTopology((0, 1, 2, 3, 4, 5, 6, 7), ((0, 4), (1, 5), (2, 6), (3, 7)))
PLACEMENTS = frozenset(Placement)

TRAFFIC = [driver.name for driver in DRIVERS.values() if not driver.isolated]


def problems(**options: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse(Options(**options))
    assert caught.value.exit_code == 2
    return caught.value.problems


def planned(topology: CpuTopology = TWO, **options: str) -> Plan:
    return build(parse(Options(**options)), topology)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"drivers": "host,brigde"}, "--drivers: unknown driver 'brigde'; did you mean 'bridge'?"),
        ({"drivers": "host,bridge:usr"}, "driver 'bridge' has no mode 'usr'; its modes: user"),
        ({"drivers": "host,bridge,host"}, "--drivers lists 'host' twice"),
        ({"drivers": ""}, "--drivers is empty; known: none, host, bridge, bridge:user, container"),
        ({"drivers": " , "}, "--drivers is empty"),
        (
            {"baseline": "container"},
            "--baseline 'container' is not among the drivers (host, bridge)",
        ),
        ({"baseline": ""}, "--baseline: unknown driver ''"),
        ({"baseline": "hots"}, "--baseline: unknown driver 'hots'; did you mean 'host'?"),
        (
            {"drivers": "host,bridge:user@mtu=9000", "baseline": "bridge:user"},
            "--baseline 'bridge:user' is not among the drivers (host, bridge:user@mtu=9000)",
        ),
        (
            {"drivers": "host,macvlan:private", "baseline": "macvlan:private"},
            "--baseline 'macvlan:private' carries no east-west traffic to compare with",
        ),
        (
            {"drivers": "host,bridge", "baseline": "host", "paths": "hairpin"},
            "--baseline 'host' carries no hairpin traffic to compare with",
        ),
        ({"drivers": "macvlan:brigde"}, "--drivers: driver 'macvlan' has no mode 'brigde'"),
        ({"drivers": "macvlan,macvlan:bridge"}, "--drivers lists 'macvlan:bridge' twice"),
        (
            {"drivers": "bridge:user@family=6+mtu=9000,bridge:user@mtu=9000+family=6"},
            "--drivers lists 'bridge:user@family=6+mtu=9000' twice",
        ),
        ({"drivers": "bridge:user@mtx=9000"}, "bridge:user: unknown option 'mtx'; it takes: "),
        ({"drivers": "bridge:user@mtu"}, "options are written key=value, joined by +; not 'mtu'"),
        ({"drivers": "bridge:user@mtu=9000+mtu=1500"}, "option 'mtu' stands twice"),
        ({"drivers": "bridge:user@icc=no"}, "bridge:user: icc must be true or false, not 'no'"),
        ({"drivers": "plugin:"}, "plugin: needs the plug-in's name, as in plugin:weave"),
        ({"drivers": "cni:/no/such.conflist"}, "/no/such.conflist: No such file or directory"),
        (
            {"drivers": "none,host", "baseline": "none"},
            "--baseline 'none' carries no traffic to compare with",
        ),
        ({"engine": "podman"}, "--engine must be one of auto, docker, netns, not 'podman'"),
        (
            {"suite": "slow"},
            "suite 'slow': no such suite or file; shipped are full, published, questions, quick",
        ),
        ({"suite": "no/such.toml"}, "suite 'no/such.toml': no such suite or file"),
        (
            {"paths": "north"},
            "--paths: unknown path 'north'; known: east-west, north-south, hairpin",
        ),
        ({"paths": "east-west,east-west"}, "--paths lists 'east-west' twice"),
        ({"paths": ""}, "--paths is empty"),
        ({"blocks": "0"}, "--blocks must be a whole number from 1 to 1000, not '0'"),
        ({"blocks": "-3"}, "--blocks must be a whole number from 1 to 1000, not '-3'"),
        ({"blocks": "many"}, "--blocks must be a whole number from 1 to 1000, not 'many'"),
        ({"blocks": "2.5"}, "--blocks must be a whole number from 1 to 1000, not '2.5'"),
        ({"blocks": ""}, "--blocks must be a whole number from 1 to 1000, not ''"),
        ({"max_time": "0"}, "--max-time must be a number above 0, not '0'"),
        ({"max_time": "nan"}, "--max-time must be a number above 0, not 'nan'"),
        ({"max_time": "inf"}, "--max-time must be a number above 0, not 'inf'"),
        ({"max_time": "soon"}, "--max-time must be a number above 0, not 'soon'"),
        ({"precision": "0"}, "--precision must be a number above 0, not '0'"),
        ({"blocks": "+10"}, "--blocks +10 extends a run that is there: name its folder by"),
        ({"max_time": "+600"}, "--max-time +600 extends a run that is there: name its folder by"),
        ({"margin": "-0.05"}, "--margin must be a number above 0, not '-0.05'"),
        ({"seed": "x"}, "--seed must be a whole number from 0"),
        ({"seed": "-1"}, "--seed must be a whole number from 0"),
        ({"pin": "far"}, "--pin must be auto, cross, same, none, or CPUs CLIENT,SERVER"),
        ({"pin": "0,1,2"}, "--pin must be auto, cross, same, none, or CPUs CLIENT,SERVER"),
        ({"pin": "0,"}, "--pin must be auto"),
        ({"pin": ""}, "--pin must be auto"),
        ({"pin": "-1"}, "--pin must be auto"),
        ({"margin": "1e300"}, "--margin must be from 1e-06 to 100, not '1e300'"),
        ({"precision": "1e-300"}, "--precision must be from 1e-06 to 100, not '1e-300'"),
        ({"max_time": "1e300"}, "--max-time must be from 0 to 1e+09, not '1e300'"),
        ({"paths": "\t"}, "--paths is empty"),
        ({"cc": ""}, "--cc: cc must be the name"),
        ({"pin": "\uff16"}, "--pin must be auto"),
        ({"pin": "9" * 5000}, "--pin must be auto"),
        ({"drivers": "host,cni:~no-such-user/x"}, "--drivers: ~no-such-user/x"),
        ({"drivers": f"host,plugin:{'x' * 300}"}, "--drivers: plugin: needs"),
        ({"suite": f"{'x' * 300}.toml"}, "--suite"),
        ({"parent": " "}, "--parent takes the name of a link, such as eth1, and is empty"),
        (
            {"parent": "eth1", "drivers": "macvlan:bridge,host,ipvlan:l2"},
            "--parent: macvlan:bridge, ipvlan:l2 cannot share it: a link carries one kind of child",
        ),
        (
            {"parent": "eth1", "drivers": "macvlan,macvlan@mtu=1400"},
            "--parent: macvlan:bridge, macvlan:bridge@mtu=1400 cannot share it",
        ),
    ],
)
def test_a_mistake_is_one_problem_that_names_option_and_value(
    options: dict[str, str], words: str
) -> None:
    (problem,) = problems(**options)

    assert words in problem


def test_all_mistakes_are_told_at_once_in_the_order_of_the_options() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(
            Options(
                drivers="hots,bridge,bridge",
                baseline="none",
                suite="slow",
                paths="north",
                blocks="0",
                parent="",
            ),
            "--output: /nowhere is not writable for this user",
        )

    words = ["'hots'", "'bridge' twice", "--baseline", "'slow'", "--paths", "--blocks"]
    words += ["--parent", "--output"]
    assert len(caught.value.problems) == len(words)
    for word, problem in zip(words, caught.value.problems, strict=True):
        assert word in problem


@pytest.mark.parametrize(
    ("drivers", "baseline"),
    [
        ("bridge,host", "host"),
        ("container,bridge", "container"),
        ("none,bridge:user,bridge", "bridge:user"),
        ("macvlan:private,macvlan:vepa,macvlan", "macvlan:bridge"),
        ("macvlan:private,none", "macvlan:private"),
    ],
)
def test_the_baseline_is_host_or_the_first_that_carries_traffic(
    drivers: str, baseline: str
) -> None:
    assert parse(Options(drivers=drivers)).plan.baseline == baseline


def test_what_carries_traffic_depends_on_the_paths() -> None:
    drivers = "none,macvlan:private,bridge"

    assert parse(Options(drivers=drivers)).plan.baseline == "bridge"
    outer = parse(Options(drivers=drivers, paths="north-south")).plan
    assert (outer.baseline, outer.paths) == ("macvlan:private", (Way.NORTH_SOUTH,))


def test_a_baseline_is_named_as_freely_as_the_drivers() -> None:
    drivers = "macvlan,macvlan:bridge@family=6+mtu=1400"
    plan = parse(Options(drivers=drivers, baseline="macvlan@mtu=1400+family=6")).plan

    assert [driver.name for driver in plan.drivers] == [
        "macvlan:bridge",
        "macvlan:bridge@family=6+mtu=1400",
    ]
    assert plan.baseline == "macvlan:bridge@family=6+mtu=1400"


def test_a_variant_is_a_driver_of_its_own_in_every_cell_and_arm() -> None:
    plan = planned(drivers="bridge:user,bridge:user@mtu=9000", paths="east-west,hairpin")

    names = ["bridge:user", "bridge:user@mtu=9000"]
    assert [str(arm) for arm in plan.arms] == [*names, "bridge:user (A/A)"]
    assert {cell.driver for cell in plan.cells} == set(names)
    assert plan.paths == (Way.EAST_WEST, Way.HAIRPIN)
    assert plan.driver(names[1]).recipe.network == replace(
        DRIVERS["bridge:user"].recipe.network or NetworkSpec("bridge"), mtu=9000
    )


def test_a_parent_serves_one_child_network_beside_whatever_else_is_listed() -> None:
    request = parse(Options(drivers="host,bridge:user,macvlan:vepa@mtu=1400", parent="eth1"))

    assert [driver.name for driver in request.plan.drivers][-1] == "macvlan:vepa@mtu=1400"


def test_options_as_given_make_the_request() -> None:
    request = parse(
        Options(
            drivers=" host , bridge:user ",
            baseline="bridge:user",
            engine="netns",
            blocks="12",
            max_time="90.5",
            precision="0.02",
            margin="0.1",
            seed="7",
            pin="1,0",
            cc="cubic",
        )
    )

    plan = request.plan
    assert [driver.name for driver in plan.drivers] == ["host", "bridge:user"]
    assert (plan.baseline, request.engine, plan.cc) == ("bridge:user", "netns", "cubic")
    assert (plan.blocks, plan.max_time, plan.margin) == (12, 90.5, 0.1)
    assert (plan.adaptive, plan.unhurried, plan.precision) == (False, 0, 0.02)
    assert (plan.seed, request.pin, plan.paths) == (7, "1,0", (Way.EAST_WEST,))


def test_what_is_not_given_has_the_documented_default() -> None:
    plan = planned()
    suite, _ = load_suite("quick")

    assert suite
    assert (plan.suite, plan.baseline, plan.margin) == ("quick", "host", 0.05)
    assert (plan.blocks, plan.max_time) == (suite.most, suite.max_time)
    assert (plan.adaptive, plan.precision) == (True, 0.03)
    assert [arm for arm in plan.arms if arm.replica] == [Arm("host", 1)]
    assert planned().seed != plan.seed


def test_the_quick_suite_is_throughput_on_two_cores_and_round_trips_on_one_and_two() -> None:
    suite, found = load_suite("quick")

    assert found == []
    assert suite
    assert suite.cells == (
        (TcpThroughput.name, Placement.CROSS),
        (TcpRoundTrip.name, Placement.SAME),
        (TcpRoundTrip.name, Placement.CROSS),
    )


BOUNDED = """\
blocks = {least = 7, most = 15}
max_time = 99

[probes.udp-rate]
seconds = 4

[[cell]]
probe = "udp-rate"
"""


def test_a_suite_gives_the_bounds_of_an_adaptive_run_and_blocks_fix_the_plan(
    tmp_path: Path,
) -> None:
    file = suite_file(tmp_path, BOUNDED)
    adaptive, fixed = planned(suite=file, drivers="host,container"), planned(suite=file, blocks="3")

    assert (adaptive.adaptive, adaptive.least, adaptive.blocks) == (True, 7, 15)
    assert (fixed.adaptive, fixed.blocks, fixed.max_time) == (False, 3, None)
    assert fixed.summary().adaptive is False
    assert (adaptive.summary().least, adaptive.summary().precision) == (7, 0.03)


def test_the_declared_cap_is_the_number_of_blocks_of_a_new_plan(tmp_path: Path) -> None:
    adaptive, fixed = planned(suite=suite_file(tmp_path, BOUNDED)), planned(blocks="3")

    assert (adaptive.cap, adaptive.summary().cap) == (15, 15)
    assert (fixed.cap, fixed.summary().cap) == (3, 3)


def test_a_suites_own_limit_leaves_room_for_a_verdict_and_the_users_does_not(
    tmp_path: Path,
) -> None:
    file = suite_file(tmp_path, BOUNDED)

    assert planned(suite=file).least == 7
    assert planned(suite=file).unhurried == 6
    assert planned(suite=file, max_time="60").unhurried == 0


@pytest.mark.parametrize("drivers", ["host,bridge", "host,bridge,container,bridge:user"])
def test_the_least_blocks_do_not_depend_on_the_number_of_contrasts(
    tmp_path: Path, drivers: str
) -> None:
    text = '[[cell]]\nprobe = "tcp-rr"\n[[cell]]\nprobe = "tcp-throughput"\n'
    plan = planned(suite=suite_file(tmp_path, text), drivers=drivers)

    assert (plan.least, plan.blocks, plan.max_time) == (6, 40, None)


@pytest.mark.parametrize(
    ("drivers", "limit", "words"),
    [
        ("host,bridge", "12", "--max-time 12 is less than one block takes, about 13 s for 3 "),
        ("host,bridge", "12", "a verdict needs at least 7 blocks: give --max-time 91 or more"),
        ("none,host,bridge,container", "16.9", "about 17 s for 4"),
    ],
)
def test_a_limit_that_not_one_block_fits_into_is_refused(
    tmp_path: Path, drivers: str, limit: str, words: str
) -> None:
    file = suite_file(tmp_path, BOUNDED)
    (problem,) = problems(suite=file, drivers=drivers, max_time=limit)

    assert words in problem


GOOD = """\
name = "own"

[probes.tcp-throughput]
rounds = 3
slice = 0.5

[[cell]]
probe = "tcp-throughput"
placement = "none"

[[cell]]
probe = "tcp-rr"
"""


def suite_file(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_suite_of_ones_own_is_read_with_its_parameters(tmp_path: Path) -> None:
    suite, found = load_suite(suite_file(tmp_path, GOOD))

    assert found == []
    assert suite
    assert (suite.name, suite.title) == ("own", "")
    assert suite.probes["tcp-throughput"] == TcpThroughput(rounds=3, slice=0.5)
    assert suite.probes["tcp-rr"] == TcpRoundTrip()
    assert suite.cells == (("tcp-throughput", Placement.NONE), ("tcp-rr", Placement.CROSS))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('"own"', '"own', 1, ""),
        ('name = "own"', "name = 7", 1, "name must be text"),
        (
            'name = "own"',
            "speed = 1",
            1,
            "unknown key 'speed'; known: blocks, cell, driver, max_time",
        ),
        ('name = "own"', "blocks = 8", 1, "blocks must be a table such as {least = 6, most = 40}"),
        ('name = "own"', "blocks = {most = 5}", 1, "most is a whole number from 6 to 1000, not 5"),
        ('name = "own"', "blocks = {most = true}", 1, "most is a whole number from 6 to 1000"),
        ('name = "own"', "blocks = {least = 50}", 1, "least is a whole number from 6 to most, 40"),
        ('name = "own"', "blocks = {less = 6}", 1, "unknown key 'less'; known: least, most"),
        ('name = "own"', "max_time = 0", 1, "max_time is a number of seconds above 0, not 0"),
        ('name = "own"', "max_time = true", 1, "max_time is a number of seconds above 0"),
        *(
            ('name = "own"', f"paths = {value}", 1, "paths is a list of one or more of east-west")
            for value in ('"hairpin"', "[]", '["north"]', '["hairpin", "hairpin"]', '["across"]')
        ),
        ("probes.tcp-throughput", "probes.tcp", 3, "unknown probe 'tcp'; known: tcp-throughput"),
        ("rounds = 3", "round = 3", 4, "unknown key 'round'; known: bidirectional, reverse"),
        ("rounds = 3", "rounds = 1", 4, "`rounds` is a whole number from 2"),
        ("rounds = 3", 'rounds = "3"', 4, "`rounds` is a whole number from 2"),
        ("slice = 0.5", "slice = -1", 5, "`slice` is a number from 0.05"),
        ('"none"', '"near"', 9, "cell 1: placement must be one of cross, same, none, not 'near'"),
        ('"none"', "[]", 9, "cell 1: placement must be one of cross, same, none, not []"),
        ('"tcp-rr"', '"udp"', 12, f"cell 2: probe must be one of {', '.join(PROBES)}, not 'udp'"),
        ('probe = "tcp-rr"', "", 11, "cell 2: probe must be one of tcp-throughput, tcp-rr"),
        ('"tcp-rr"', '"tcp-throughput"\nplacement = "none"', 11, "cell 2 stands twice"),
        (
            'probe = "tcp-rr"',
            'probe = "tcp-rr"\nplace = "same"',
            13,
            "cell 2: unknown key 'place'; known: blocks, placement, primary, probe",
        ),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert GOOD.count(old) == 1 or old.startswith('"')
    file = suite_file(tmp_path, GOOD.replace(old, new))
    suite, found = load_suite(file)

    assert suite is None
    (problem,) = found
    assert file in problem
    assert words in problem
    assert f"{file}:{line}: " in problem or f"at line {line}, column" in problem


def test_all_mistakes_of_a_suite_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """\
title = 5

[probes.tcp-throughput]
slice = -1
rounds = 0
speed = 9

[probes.udp]

[[cell]]
probe = "tcp-rr"
placement = "near"

[[cell]]
probe = "udp"
placement = "far"
"""
    file = suite_file(tmp_path, text)
    _, found = load_suite(file)

    assert lines_of(file, found) == [1, 4, 5, 6, 8, 12, 16]  # cells of wrong probes are right


def lines_of(file: str, found: list[str]) -> list[int]:
    return sorted(int(problem.removeprefix(f"{file}:").partition(":")[0]) for problem in found)


DRIVEN = """\
[[cell]]
probe = "tcp-rr"

[[driver]]
name = "bridge:user"

[[driver]]
name = "bridge:user@family=6"
mtu = 9000
icc = true
published = "nat"

[[driver]]
name = "macvlan"
internal = true
options = {"com.docker.network.x" = "a,b+c=d", "com.docker.network.y" = 7}

[[driver]]
name = "ipvlan:l3"

[driver.options]
"com.docker.network.z" = true
"""


def test_a_suite_names_drivers_with_their_options(tmp_path: Path) -> None:
    file = suite_file(tmp_path, DRIVEN)
    suite, found = load_suite(file)

    assert found == []
    assert suite
    first, second, third, fourth = suite.drivers
    assert first == DRIVERS["bridge:user"]
    assert second.name == "bridge:user@family=6+icc=true+mtu=9000+published=nat"
    assert second.recipe.network
    assert (second.recipe.family, second.recipe.network.mtu) == (6, 9000)
    assert third.name.startswith("macvlan:bridge@com.docker.network.x=a,b+c=d+")
    assert third.recipe.network
    assert third.recipe.network.internal
    assert dict(third.recipe.network.options) == {
        "com.docker.network.x": "a,b+c=d",
        "com.docker.network.y": "7",
    }
    assert fourth.name == "ipvlan:l3@com.docker.network.z=true"


def test_the_suites_drivers_are_used_where_the_command_line_names_none(tmp_path: Path) -> None:
    file = suite_file(tmp_path, DRIVEN)
    plan = planned(suite=file)

    assert len(plan.drivers) == 4
    assert plan.baseline == "bridge:user"
    assert [driver.name for driver in planned(suite=file, drivers="host").drivers] == ["host"]
    assert [driver.name for driver in planned().drivers] == ["host", "bridge"]


def test_the_suites_paths_are_taken_where_the_command_line_names_none(tmp_path: Path) -> None:
    file = suite_file(tmp_path, f'paths = ["north-south", "hairpin"]\n{GOOD}')

    assert planned(suite=file).paths == (Way.NORTH_SOUTH, Way.HAIRPIN)
    assert planned(suite=file, paths="east-west").paths == (Way.EAST_WEST,)
    assert planned().paths == (Way.EAST_WEST,)
    beside = Options(suite=file, peer_context="b")
    assert parse(beside).plan.paths == (Way.ACROSS,)


def test_a_baseline_is_not_blamed_where_the_suites_drivers_cannot_be_read(tmp_path: Path) -> None:
    file = suite_file(tmp_path, DRIVEN.replace('"ipvlan:l3"', '"ipvlan:l4"'))

    (problem,) = problems(suite=file, baseline="macvlan")
    assert "driver 4: driver 'ipvlan' has no mode 'l4'" in problem


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('name = "bridge:user"\n', "", 4, "driver 1: name must be that of a driver, not None"),
        ('name = "bridge:user"\n', "name = 1", 5, "driver 1: name must be that of a driver, not 1"),
        ('"bridge:user"\n', '"brigde"\n', 5, "driver 1: unknown driver 'brigde'"),
        ('"bridge:user"\n', '"bridge:user@mtu"\n', 5, "driver 1: 'bridge:user@mtu': options are"),
        (
            DRIVEN[DRIVEN.index('"ipvlan') :],
            '"bridge:user"',
            18,
            "driver 4 stands twice: bridge:user",
        ),
        ("mtu = 9000", "mtx = 9000", 9, "driver 2: bridge:user: unknown option 'mtx'; it takes: "),
        ("mtu = 9000", "mtu = 7", 9, "driver 2: bridge:user: mtu must be a whole number from 68"),
        ("mtu = 9000", "mtu = 9e3", 9, "mtu must be text, a whole number or true/false, not 9000"),
        ("mtu = 9000", "mtu = 576", 7, "driver 2: bridge:user: IPv6 needs an MTU of at least 1280"),
        ("icc = true", "icc = 1", 10, "driver 2: bridge:user: icc must be true or false, not '1'"),
        ("icc = true", "family = 6", 10, "driver 2: option 'family' stands twice"),
        ("internal = true", "icc = true", 15, "driver 3: macvlan:bridge: unknown option 'icc'"),
        ("internal = true", "com.x = 1", 15, "not {'x': 1}; a key with dots needs quotes"),
        ('"com.docker.network.x"', "mtu", 16, "mtu is no option of the engine's: it stands beside"),
        ('"com.docker.network.x"', "x", 16, "driver 3: macvlan:bridge: unknown option 'x'"),
        ('{"com.docker.network.x" = "a,b+c=d", ', "1 # {", 16, "options must be a table"),
        ('"com.docker.network.z" = true', "z = true", 21, "driver 4: ipvlan:l3: unknown option"),
    ],
)
def test_a_mistake_in_a_suites_driver_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert DRIVEN.count(old) == 1
    file = suite_file(tmp_path, DRIVEN.replace(old, new))
    suite, (problem,) = load_suite(file)

    assert suite is None
    assert problem.startswith(f"{file}:{line}: ")
    assert words in problem


def test_all_mistakes_in_a_suites_drivers_are_told_at_once(tmp_path: Path) -> None:
    bad = DRIVEN.replace("mtu = 9000", "mtu = 0").replace("true", "2").replace('"macvlan"', "[]")
    file = suite_file(tmp_path, bad + '\n[[driver]]\nname = "cni:/no/such.conflist"\n')
    _, found = load_suite(file)

    assert lines_of(file, found) == [9, 10, 14, 25]
    assert "driver 5: /no/such.conflist: No such file or directory" in found[-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cell = []",
        "cell = 1",
        "cell = [1]",
        "probes = 1",
        'driver = 1\n[[cell]]\nprobe = "tcp-rr"',
        'driver = [1]\n[[cell]]\nprobe = "tcp-rr"',
        '[driver]\nname = "host"\n[[cell]]\nprobe = "tcp-rr"',
        'probes = [1]\n[[cell]]\nprobe = "tcp-rr"',
        '[probes]\ntcp-rr = 3\n[[cell]]\nprobe = "tcp-rr"',
    ],
)
def test_a_suite_of_another_shape_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    suite, found = load_suite(suite_file(tmp_path, text))

    assert suite is None
    assert found


def test_a_suite_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe")

    assert load_suite(str(path))[0] is None
    assert str(path) in load_suite(str(path))[1][0]


KEYS = st.sampled_from(
    [
        *("name", "title", "probes", "cell", "probe", "placement", "rounds", "slice"),
        *("driver", "mtu", "options", *PROBES),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def toml(value: object) -> str:
    """Return a value as TOML, tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f'"{k}" = {toml(v)}' for k, v in value.items()) + "}"
        case _:
            text = str(value).encode("unicode_escape").decode().replace('"', "'")
            return f"'{text.replace(chr(39), '')}'"


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_suite_is_read_or_told_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    text = "".join(f'"{key}" = {toml(value)}\n' for key, value in document.items())
    suite, found = load_suite(suite_file(tmp_path_factory.mktemp("suite"), text))

    assert (suite is None) == bool(found)


DRIVER_LISTS = st.lists(st.sampled_from(list(DRIVERS)), min_size=1, unique=True).filter(
    lambda names: any(name in TRAFFIC for name in names)
)


@given(DRIVER_LISTS, st.integers(0, 2**63 - 1), st.integers(1, 20))
def test_a_block_holds_every_cell_once_and_the_baselines_twice(
    names: list[str], seed: int, number: int
) -> None:
    plan = planned(drivers=",".join(names), seed=str(seed))
    block = plan.block(number)
    seen = Counter((step.arm, step.cell.probe, step.cell.placement) for step in block.steps)

    assert set(seen.values()) == {1}
    assert Counter(step.cell for step in block.steps) == Counter(
        {cell: 1 + (cell.driver == plan.baseline) for cell in plan.cells}
    )
    assert all(step.arm.driver == step.cell.driver for step in block.steps)
    assert [step.position for step in block.steps] == list(range(1, len(block.steps) + 1))
    assert sorted(block.arms) == sorted(plan.arms)


@given(DRIVER_LISTS, st.integers(0, 2**32), st.integers(1, 20))
def test_the_arms_of_one_probe_run_back_to_back(names: list[str], seed: int, number: int) -> None:
    plan = planned(drivers=",".join(names), seed=str(seed))
    steps = plan.block(number).steps
    groups = [
        [step.arm for step in group]
        for _, group in groupby(steps, key=lambda s: (s.cell.probe, s.cell.path, s.cell.placement))
    ]

    assert len(groups) == len(plan.kinds)
    assert all(sorted(group) == sorted(plan.arms) for group in groups)


@given(DRIVER_LISTS, st.integers(0, 2**32), st.integers(1, 20))
def test_the_groups_of_a_block_are_its_steps_by_place(
    names: list[str], seed: int, number: int
) -> None:
    plan = planned(drivers=",".join(names), seed=str(seed))
    block = plan.block(number)

    assert [step for group in block.groups for step in group] == list(block.steps)
    assert [len(group) for group in block.groups] == [len(plan.arms)] * len(plan.kinds)
    assert all(len({step.place for step in group}) == 1 for group in block.groups)
    assert len({group[0].place for group in block.groups}) == len(plan.kinds)


def test_a_settled_cell_leaves_its_group() -> None:
    plan = planned(drivers="host,bridge,container", seed="1")
    gone = next(cell for cell in plan.cells if cell.driver == "bridge")
    groups = plan.block(1).without({gone}, "host").groups
    sizes = {group[0].place: len(group) for group in groups}

    assert sizes[gone.path, gone.probe, gone.placement] == 3
    assert sorted(sizes.values()) == [3, *[4] * (len(plan.kinds) - 1)]


PLACE = (Way.EAST_WEST, "tcp-rr", Placement.SAME)
ARMS = (Arm("bridge"), Arm("container"), Arm("host"), Arm("host", 1))


@given(st.integers(0, 2**63 - 1), st.integers(1, 1000), st.integers(0, 12), st.integers(1, 4))
def test_a_round_holds_every_arm_once_and_does_not_begin_with_the_last_of_the_one_before(
    seed: int, block: int, rounds: int, count: int
) -> None:
    arms = ARMS[:count]
    orders = round_order(seed, block, PLACE, rounds, arms)

    assert len(orders) == rounds
    assert all(sorted(order) == sorted(arms) for order in orders)
    assert orders == round_order(seed, block, PLACE, rounds, arms)
    if count > 2:
        assert all(before[-1] != after[0] for before, after in pairwise(orders))


def test_the_orders_of_rounds_differ_by_seed_block_and_place() -> None:
    other = (Way.EAST_WEST, "tcp-rr", Placement.CROSS)
    orders = [
        round_order(seed, block, place, 8, ARMS)
        for seed in (1, 2)
        for block in (1, 2)
        for place in (PLACE, other)
    ]

    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_arm_takes_every_place_of_a_round_equally_often(count: int) -> None:
    """6 sigma of a binomial count; each arm is also followed by each other one as often."""
    arms, rounds = ARMS[:count], 4000
    orders = round_order(7, 1, PLACE, rounds, arms)
    bound = 6 * (rounds / count * (1 - 1 / count)) ** 0.5
    for position in range(count):
        places = Counter(order[position] for order in orders)
        assert all(abs(places[arm] - rounds / count) < bound for arm in arms)
    followed = Counter(pair for order in orders for pair in pairwise(order))
    expected = rounds / count
    assert all(
        abs(followed[first, second] - expected) < bound
        for first in arms
        for second in arms
        if first != second
    )


@given(st.integers(0, 2**63 - 1), st.integers(1, 1000))
def test_the_seed_fixes_the_order(seed: int, number: int) -> None:
    assert planned(seed=str(seed)).block(number) == planned(seed=str(seed)).block(number)


def test_orders_differ_from_block_to_block_and_seed_to_seed() -> None:
    plan = planned(drivers="host,bridge,bridge:user,container", seed="1")
    orders = [tuple(s.arm for s in plan.block(n).steps) for n in range(1, 41)]
    others = [tuple(s.arm for s in replace(plan, seed=seed).block(1).steps) for seed in range(40)]

    assert len(set(orders)) == len(set(others)) == 40
    assert all(a != b for a, b in pairwise(orders))


def test_every_arm_takes_every_place_equally_often() -> None:
    """Over many blocks no arm has a place of its own; 5 sigma of a binomial count."""
    plan = planned(drivers="host,bridge,container", seed="3")
    blocks, arms = 400, len(plan.arms)
    firsts = Counter(plan.block(n).steps[0].arm for n in range(1, blocks + 1))
    bound = 5 * (blocks / arms * (1 - 1 / arms)) ** 0.5

    assert set(firsts) == set(plan.arms)
    assert all(abs(count - blocks / arms) < bound for count in firsts.values())


@pytest.mark.parametrize(
    ("topology", "cross", "same"),
    [
        (TWO, Cpus(0, 1), Cpus(1, 1)),
        (SMT, Cpus(2, 3), Cpus(3, 3)),
        (CpuTopology((0, 1, 2)), Cpus(1, 2), Cpus(2, 2)),
        (CpuTopology((2, 3), ((2,), (3,))), Cpus(2, 3), Cpus(3, 3)),
    ],
)
def test_auto_takes_two_physical_cores_away_from_the_first(
    topology: CpuTopology, cross: Cpus, same: Cpus
) -> None:
    found, impossible, wrong = place("auto", PLACEMENTS, topology)

    assert found == {
        Placement.CROSS: cross,
        Placement.SAME: same,
        Placement.NONE: Cpus(None, None),
    }
    assert (impossible, wrong) == ({}, [])


@given(st.lists(st.lists(st.integers(0, 63), min_size=1, max_size=4), min_size=2, max_size=8))
def test_threads_of_one_core_are_never_a_cross_pair(groups: list[list[int]]) -> None:
    numbers = iter(range(64))
    cores = tuple(tuple(next(numbers) for _ in group) for group in groups)
    topology = CpuTopology(tuple(cpu for core in cores for cpu in core), cores)
    found, _, _ = place("auto", PLACEMENTS, topology)
    pair = found[Placement.CROSS]

    owners = [
        next(i for i, core in enumerate(cores) if cpu in core) for cpu in (pair.client, pair.server)
    ]
    assert owners[0] != owners[1]


@pytest.mark.parametrize("topology", [ONE, CpuTopology((0, 1), ((0, 1),)), CpuTopology((5,))])
def test_one_core_makes_cross_impossible_with_the_reason(topology: CpuTopology) -> None:
    plan = planned(topology)

    assert plan.impossible == {
        Placement.CROSS: "there is one usable physical core: no two to pin to"
    }
    assert Placement.CROSS not in plan.cpus
    cpu = topology.usable[0]
    assert plan.cpus[Placement.SAME] == Cpus(cpu, cpu)


@pytest.mark.parametrize("pin", ["cross", "same", "none"])
def test_a_placement_as_pin_holds_for_every_cell(pin: str) -> None:
    plan = planned(pin=pin)

    assert {placement for _, _, placement in plan.kinds} == {Placement(pin)}
    assert len(plan.kinds) == len(set(plan.kinds)) == 2
    assert plan.run_cpus == {"cross": (0, 1), "same": (1,), "none": ()}[pin]


LIMITED = """
[[cell]]
probe = "tcp-rr"
[[cell]]
probe = "udp-rate"
primary = false
blocks = 2
"""


def test_a_cell_that_only_describes_runs_in_the_first_blocks_unless_a_budget_needs_it(
    tmp_path: Path,
) -> None:
    file = suite_file(tmp_path, LIMITED)
    plan = planned(suite=file, drivers="host,bridge")
    budgeted = build(parse(Options(suite=file, require=("bridge.loss <= 1 %",))), TWO)

    def probes(plan: Plan) -> list[int]:
        return [len({s.cell.probe for s in plan.block(n).steps}) for n in (1, 2, 3, 4)]

    assert probes(plan) == [2, 2, 1, 1]
    assert probes(budgeted) == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("blocks = 2", "blocks = 0", "cell 2: blocks is a whole number from 1 to 1000, not 0"),
        ("blocks = 2", "blocks = true", "cell 2: blocks is a whole number from 1 to 1000, not"),
        ("primary = false", "", "cell 2: blocks limits cells with primary = false"),
    ],
)
def test_a_limit_of_blocks_that_cannot_be_is_told(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    suite, (problem,) = load_suite(suite_file(tmp_path, LIMITED.replace(old, new)))

    assert suite is None
    assert words in problem


ENGINES = """
[probes.fifty]
kind = "control-plane"
endpoints = 50
[[cell]]
probe = "tcp-rr"
placement = "same"
[[cell]]
probe = "fifty"
primary = false
"""


@pytest.mark.parametrize("pin", ["auto", "cross", "0,1"])
def test_trials_of_the_engine_are_pinned_to_nothing_and_unpin_nothing(
    tmp_path: Path, pin: str
) -> None:
    file = suite_file(tmp_path, ENGINES)
    plan = planned(suite=file, pin=pin, paths="east-west,north-south")

    assert [kind for kind in plan.kinds if kind[0] == "fifty"] == [
        ("fifty", Way.EAST_WEST, Placement.NONE)
    ]
    assert len(plan.kinds) == 3
    assert Placement.NONE not in plan.cpus
    assert plan.run_cpus
    assert plan.secondary == {("fifty", Placement.NONE)}


def test_the_engine_can_be_asked_for_no_placement(tmp_path: Path) -> None:
    text = ENGINES.replace('probe = "fifty"', 'probe = "fifty"\nplacement = "cross"')
    suite, (problem,) = load_suite(suite_file(tmp_path, text))

    assert suite is None
    assert ":10: cell 2: placement is none: the engine's own work cannot be pinned" in problem


def test_given_cpus_are_client_and_server() -> None:
    plan = planned(SMT, pin="6, 1")

    assert plan.cpus == {Placement.CROSS: Cpus(6, 1), Placement.SAME: Cpus(1, 1)}
    assert plan.run_cpus == (1, 6)
    assert plan.summary().placements == (
        PlacementCpus("cross", 6, 1),
        PlacementCpus("same", 1, 1),
    )


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ("0,9", "--pin: CPU 9 is not usable; usable: 0, 1"),
        ("8,9", "--pin: CPU 8, 9 is not usable; usable: 0, 1"),
        ("1", "--pin 1 names one CPU, and the suite has cells on two cores"),
        ("1,1", "--pin 1 names one CPU, and the suite has cells on two cores"),
    ],
)
def test_cpus_that_cannot_be_are_a_mistake(pin: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        planned(pin=pin)

    assert caught.value.problems == (words,)


DATAGRAMS = """\
[probes.udp-rate]
length = 1473
dont_fragment = true

[probes.whole]
kind = "udp-rate"
length = 1472
dont_fragment = true

[[cell]]
probe = "udp-rate"

[[cell]]
probe = "whole"
"""


@pytest.mark.parametrize(
    ("drivers", "paths", "refused"),
    [
        ("host,container", "east-west", []),
        ("host,bridge", "east-west", ["MTU 1500 over IPv4: 1472 bytes at most (driver bridge, "]),
        ("host", "east-west,north-south", ["1472 bytes at most (driver host, north-south)"]),
        ("bridge:user@mtu=9000,plugin:weave", "east-west", []),
        ("bridge:user@mtu=9000", "north-south", ["(driver bridge:user@mtu=9000, north-south)"]),
        ("macvlan@mtu=1501", "east-west,north-south", []),
        (
            "overlay",
            "east-west",
            ["probes.udp-rate: `length` 1473", "probes.whole: `length` 1472 with `dont_fragment`"],
        ),
        ("bridge:user@family=6", "east-west", ["1452 bytes at most", "probes.whole: "]),
    ],
)
def test_datagrams_that_pass_no_link_whole_are_refused_beforehand(
    tmp_path: Path, drivers: str, paths: str, refused: list[str]
) -> None:
    options = Options(drivers=drivers, paths=paths, suite=suite_file(tmp_path, DATAGRAMS))
    found: tuple[str, ...] = ()
    try:
        parse(options)
    except ConfigurationError as exc:
        found = exc.problems

    assert len(found) == len(refused)
    assert all(words in problem for words, problem in zip(refused, found, strict=True))


def test_the_mtu_of_a_parent_is_not_known_beforehand(tmp_path: Path) -> None:
    suite = suite_file(tmp_path, DATAGRAMS)

    assert parse(Options(drivers="macvlan", suite=suite, parent="eth1")).plan.drivers
    with pytest.raises(ConfigurationError, match="driver macvlan:bridge, east-west"):
        parse(Options(drivers="macvlan", suite=suite))


def test_a_congestion_control_is_one_word() -> None:
    with pytest.raises(ConfigurationError, match="--cc: cc must be the name of a congestion"):
        parse(Options(cc="-R"))


@pytest.mark.parametrize("name", ["quick", "standard", "full", "questions"])
def test_a_suite_that_is_shipped_is_right(name: str) -> None:
    suite, found = load_suite(name)

    assert found == []
    assert suite is not None
    assert len(suite.secondary) < len(suite.cells)


def test_the_standard_suite_is_judged_by_three_cells() -> None:
    suite, _ = load_suite("standard")
    assert suite is not None

    judged = [cell for cell in suite.cells if cell not in suite.secondary]
    assert judged == [
        ("tcp-throughput", Placement.CROSS),
        ("tcp-rr", Placement.SAME),
        ("tcp-rr", Placement.CROSS),
    ]


def test_plans_publish_what_their_probes_talk_over(tmp_path: Path) -> None:
    cells = '[[cell]]\nprobe = "tcp-rr"\n[[cell]]\nprobe = "udp-rr"\n'
    options = Options(drivers="bridge", paths="east-west,north-south")
    both = build(parse(replace(options, suite=suite_file(tmp_path, cells))), TWO)
    tcp = build(parse(replace(options, suite="quick")), TWO)
    none = build(parse(replace(options, paths="east-west")), TWO)

    assert (both.servers, both.protocols) == (2, ("tcp", "udp"))
    assert (tcp.servers, tcp.protocols) == (3, ("tcp",))
    assert (none.servers, none.protocols) == (0, ())


def test_a_cell_of_a_probe_that_is_wrong_is_no_second_mistake(tmp_path: Path) -> None:
    text = '[probes.fast]\nkind = "tcp-throughput"\nslice = -1\n\n[[cell]]\nprobe = "fast"\n'

    suite, problems = load_suite(suite_file(tmp_path, text))

    assert suite is None
    (problem,) = problems
    assert "`slice` is a number from 0.05" in problem


@pytest.mark.parametrize(
    "options",
    [
        {"require": ("bridge.rtt_p50 <= 1e300 host",)},
        {"require": ("bridge.rtt_p50 <= 1e-30 host",)},
        {"suite": "suite.toml"},
    ],
)
def test_what_no_reader_would_take_is_not_measured(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = '[[cell]]\nprobe = "tcp-rr"\n'
    (tmp_path / "suite.toml").write_text(f'name = "{"x" * 5000}"\n{cell}')

    with pytest.raises(ConfigurationError, match=r"a factor|the name x+… "):
        parse(Options(drivers="host,bridge", **options))


def test_more_servers_than_can_be_published_are_refused_beforehand(tmp_path: Path) -> None:
    cells = "".join(
        f'[probes.tcp-rr-{at}]\nkind = "tcp-rr"\nclients = 64\n'
        f'[[cell]]\nprobe = "tcp-rr-{at}"\nplacement = "same"\n'
        for at in range(7)
    )
    (tmp_path / "many.toml").write_text(f'name = "many"\n{cells}')
    options = Options(suite=str(tmp_path / "many.toml"), paths="north-south", drivers="host,bridge")

    with pytest.raises(ConfigurationError, match="the cells have 448 servers in a block behind"):
        parse(options)
    assert parse(replace(options, paths="east-west")).plan.servers == 0
    assert parse(replace(options, drivers="host,macvlan")).plan.servers == 0
