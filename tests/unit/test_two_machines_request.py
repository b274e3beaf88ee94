"""What is asked for of two machines: options, the cells that are left, and the way between."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from netbench.cli import run_command_line
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.choose import open_engine
from netbench.engines.docker.routes import Between, host_of, way
from netbench.errors import ConfigurationError, EngineError
from netbench.plan import Options, Plan, build, parse
from netbench.spec import CpuTopology, Path, Placement

TWO = CpuTopology((0, 1), ((0,), (1,)))


def problems(**options: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse(Options(**options))
    return caught.value.problems


def planned(**options: str) -> Plan:
    return build(parse(Options(paths="across", peer_context="there", **options)), TWO)


def test_the_path_across_takes_two_machines() -> None:
    assert problems(paths="across") == (
        "--paths across takes two machines: name the other one's engine by --peer-context NAME",
    )


@pytest.mark.parametrize("paths", ["east-west", "north-south", "across,hairpin"])
def test_two_machines_have_one_path(paths: str) -> None:
    (said,) = problems(paths=paths, peer_context="there")

    assert "between two machines there is one path, across" in said


def test_no_cell_between_machines_is_on_one_core_or_of_the_engine() -> None:
    plan = planned(suite="full")
    one = build(parse(Options(suite="full")), TWO)

    assert {cell.path for cell in plan.cells} == {Path.ACROSS}
    assert {cell.placement for cell in plan.cells} == {Placement.CROSS}
    assert {cell.placement for cell in one.cells} == {*Placement}
    assert "control-plane" in {cell.probe for cell in one.cells}
    assert "control-plane" not in {cell.probe for cell in plan.cells}
    assert "udp-replaced" not in {cell.probe for cell in planned(suite="questions").cells}


def test_a_suite_of_which_nothing_is_left_is_an_error() -> None:
    (said,) = problems(paths="across", peer_context="there", pin="same")

    assert said.startswith("between two machines nothing runs on one core")


def test_a_driver_without_a_way_across_is_no_baseline() -> None:
    (said,) = problems(
        paths="across", peer_context="there", drivers="container,host", baseline="container"
    )

    assert "--baseline 'container' carries no across traffic to compare with" in said


@pytest.mark.parametrize("option", ["--peer-address 192.0.2.2", "--peer-parent eth1"])
def test_what_is_said_of_a_second_machine_needs_one(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert run_command_line(["run", *option.split()]) == 2
    name = option.split(maxsplit=1)[0]
    assert f"{name} has no effect without --peer-context" in capsys.readouterr().err


def test_doctor_needs_the_peer_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["doctor", "--peer-address", "192.0.2.2"]) == 2
    assert "--peer-address has no effect without --peer-context" in capsys.readouterr().err


def test_all_names_are_judged_at_once() -> None:
    options = EngineOptions(
        context="here", peer_context="no such", peer_address="a b", peer_parent="x" * 16
    )

    assert [said.partition(" ")[0] for said in options.problems()] == [
        "--peer-context",
        "--peer-address",
        "--peer-parent",
    ]
    assert EngineOptions(peer_context="b", peer_address="192.0.2.2").problems() == []
    assert EngineOptions(peer_address="server.example").problems() == []


def test_the_peers_parent_is_of_the_same_name_unless_it_is_named() -> None:
    same = EngineOptions(context="a", parent="eth1", peer_context="b").peer
    other = EngineOptions(parent="eth1", peer_context="b", peer_parent="eth7").peer

    assert (same.context, same.parent, same.peer_context) == ("b", "eth1", None)
    assert other.parent == "eth7"
    assert EngineOptions(peer_context="b").peer.parent is None


def test_netns_has_no_second_machine() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine("netns", "test", EngineOptions(peer_context="b"))

    assert "--peer-context needs the docker engine" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("unix:///run/docker.sock", None),
        ("ssh://bench@server.example:2222", "server.example"),
        ("tcp://192.0.2.2:2376", "192.0.2.2"),
        ("ssh://server", "server"),
        ("tcp://:2375", None),
    ],
)
def test_the_host_of_an_engine_is_that_of_its_url(url: str, host: str | None) -> None:
    assert host_of(url) == host


class RouteEngine:
    """An engine whose host says one thing of every route."""

    def __init__(self, stdout: str, stderr: str = "") -> None:
        self._said = SimpleNamespace(stdout=stdout, stderr=stderr)
        self.asked: list[tuple[str, ...]] = []

    def host(self) -> None:
        """Stand for the engine's host."""

    def run(self, endpoint: object, argv: tuple[str, ...], *, timeout: float) -> Any:
        assert endpoint is None
        assert timeout > 0
        self.asked.append(argv)
        return self._said


def way_of(rows: object, to: str = "192.0.2.2", stderr: str = "") -> Between:
    said = rows if isinstance(rows, str) else json.dumps(rows)
    return way(cast("Engine", RouteEngine(said, stderr)), "unix:///run/docker.sock", to)


def test_the_way_is_the_routes_link_and_source() -> None:
    # iproute2 6.15, Debian 13
    row = {
        "dst": "192.0.2.2",
        "dev": "eth1",
        "prefsrc": "192.0.2.1",
        "flags": [],
        "uid": 0,
        "cache": [],
    }

    assert way_of([row]) == Between("192.0.2.1", "eth1")


@pytest.mark.parametrize(
    ("rows", "stderr", "words"),
    [
        ("", "RTNETLINK answers: Network is unreachable", "Network is unreachable"),
        ([], "", "has no way to 192.0.2.2"),
        ([{"dst": "192.0.2.2", "dev": "eth1"}], "", "has no way to 192.0.2.2"),
        ("oops", "", "oops"),
        (
            [{"dst": "192.0.2.2", "dev": "lo", "prefsrc": "192.0.2.2"}],
            "",
            "192.0.2.2 is an address of the machine of unix:///run/docker.sock itself",
        ),
    ],
)
def test_no_way_to_the_other_machine_is_an_error(rows: object, stderr: str, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        way_of(rows, stderr=stderr)

    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("host", ["fd00::1", "a..b", "x" * 200])
def test_a_host_without_an_ipv4_address_is_an_error(host: str) -> None:
    with pytest.raises(EngineError, match="has no IPv4 address") as caught:
        way_of([], to=host)

    assert "--peer-address" in caught.value.hint
