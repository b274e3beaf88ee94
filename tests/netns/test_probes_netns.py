"""Round trips of every kind and the rate of connections, on nothing but the kernel."""

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.program import Program, assert_measured, records, sampled
from support.require import require_or_skip

import netbench
from netbench.engines.local_process import find_program
from netbench.engines.netns.host_namespace import proxy_unavailable
from netbench.store import load

SUITE = """
[probes.udp-rr-large]
kind = "udp-rr"
size = 65472
[probes.tcp-rr-4]
kind = "tcp-rr"
clients = 4
rounds = 4
slice = 0.3
[[cell]]
probe = "tcp-rr"
placement = "same"
[[cell]]
probe = "tcp-rr-4"
placement = "same"
[[cell]]
probe = "tcp-rr-loaded"
placement = "same"
[[cell]]
probe = "udp-rr-large"
placement = "same"
[[cell]]
probe = "tcp-crr"
placement = "same"
"""


@pytest.fixture(scope="module")
def whole(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """One block of them."""
    del namespaces
    if shutil.which("netperf") is None:
        require_or_skip("netns", "netperf is not installed")
    program = Program(tmp_path_factory.mktemp("probes"), environment={"NETBENCH_ENGINE": "netns"})
    argv = ("run", "--drivers", "host,bridge", "--blocks", "1", "--suite", program.suite(SUITE))
    done = program(*argv)
    assert_measured(records(program.run_folder()), done)
    return program


def of(program: Program, probe: str) -> list[dict[str, Any]]:
    """Return the samples of a probe, which was tried in each of three arms."""
    found = [r for r in records(program.run_folder()) if r["cell"]["probe"] == probe]
    assert len(found) >= 3
    assert sampled(found)
    return sampled(found)


def test_four_clients_work_at_once_and_all_their_connections_are_counted(whole: Program) -> None:
    for record in of(whole, "tcp-rr-4"):
        details = dict(record["outcome"]["details"])
        assert details["sockperf.clients"] == 4
        assert details["sockperf.concurrency"] == pytest.approx(4, rel=0.05)
        assert [tool["role"] for tool in record["tools"]].count("client") == 4
        # The bytes of all four cross the links that prove the path.
        assert record["path"]["held"]


def test_every_round_trip_is_counted_and_none_is_kept_as_text(whole: Program) -> None:
    for probe in ("tcp-rr", "tcp-rr-loaded", "udp-rr-large"):
        for record in of(whole, probe):
            details = dict(record["outcome"]["details"])
            counted = sum(count for _, count in record["outcome"]["histogram"])
            assert counted == details["sockperf.observations"]
    raw = [path.read_text() for path in (whole.run_folder() / "raw").glob("*.txt")]
    assert not any(re.search(r"^\d+, \d+\.\d{9}, ", text, re.MULTILINE) for text in raw)


def test_closed_loops_keep_littles_law(whole: Program) -> None:
    for probe in ("tcp-rr", "tcp-rr-loaded", "udp-rr-large"):
        told = [
            value
            for record in of(whole, probe)
            for name, value in record["outcome"]["details"]
            if name.endswith(".concurrency")
        ]
        assert told == pytest.approx([1] * len(of(whole, probe)), abs=0.05)


def test_a_load_runs_beside_and_its_delay_stands_beside_the_idle_figure(whole: Program) -> None:
    for record in of(whole, "tcp-rr-loaded"):
        tools = [tool["argv"][0] for tool in record["tools"]]
        assert tools == ["sockperf", "sockperf", "iperf3", "iperf3"]
        carried = dict(record["outcome"]["details"])["load.throughput"]
        assert carried > 1e8
        assert record["path"]["required"] > carried / 8


def test_the_delay_of_a_load_is_told_for_every_arm_that_has_both(whole: Program) -> None:
    frame = netbench.load(whole.run_folder()).frame()

    def arms(probe: str, metric: str) -> set[tuple[object, ...]]:
        found = frame[(frame["probe"] == probe) & (frame["metric"] == metric)]
        return {*zip(found["driver"], found["replica"], strict=True)}

    both = arms("tcp-rr", "rtt_p50") & arms("tcp-rr-loaded", "rtt_p50")
    assert arms("tcp-rr-loaded", "buffer_delay") == both
    assert {*frame[frame["metric"] == "buffer_delay"]["probe"]} <= {"tcp-rr-loaded"}


def test_datagrams_of_64_kib_travel_in_fragments(whole: Program) -> None:
    for record in of(whole, "udp-rr-large"):
        assert record["outcome"]["received"] % 65472 == 0
        assert record["outcome"]["received"] > 65472 * 100


def test_every_session_has_all_its_slices_and_each_is_proved(whole: Program) -> None:
    for record in records(whole.run_folder()):
        slices, hops = record["slices"], record["path"]["hops"]
        assert [one["round"] for one in slices] == [*range(1, len(slices) + 1)]
        assert len(slices) >= 4
        for one in slices:
            assert one["start"] < one["end"]
            counted = [count for count in one["moved"] if count is not None]
            assert len(one["moved"]) == len(hops)
            assert min(counted) >= one["received"]
            assert one["received"] > 0 or one["reason"], "a slice without a byte says why"
        edges = [edge for one in slices for edge in (one["start"], one["end"])]
        assert edges == sorted(edges)


def test_no_two_arms_are_ever_measured_at_once(whole: Program) -> None:
    found = [
        (one["start"], one["end"])
        for record in records(whole.run_folder())
        for one in record["slices"]
    ]

    ordered = sorted(found)
    assert all(end <= start for (_, end), (start, _) in pairwise(ordered))


def test_what_connections_leave_is_told(whole: Program) -> None:
    for record in of(whole, "tcp-crr"):
        facts = dict(record["facts"])
        made = sum(one["received"] for one in record["slices"])
        assert facts["trial.time_wait_after"] >= 0.9 * made
        assert facts["trial.time_wait_after"] >= facts["trial.time_wait_before"]
        assert facts["trial.connect_failures"] == 0
        assert record["pins"]["server_observed"] is not None


def test_the_run_tells_its_probes_and_the_report_shows_their_parameters(whole: Program) -> None:
    info = load(whole.run_folder()).info
    page = (whole.run_folder() / "report.html").read_text()

    (large,) = (probe for probe in info.plan.probes if probe.name == "udp-rr-large")
    assert (large.kind, dict(large.parameters)["size"]) == ("udp-rr", 65472)
    assert "size 65472" in page
    assert dict(info.tools)["netperf"].startswith("Netperf version")


def test_a_machine_without_netperf_skips_what_needs_it(
    namespaces: None, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    del namespaces
    tools = tmp_path_factory.mktemp("bin")
    for folder in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for tool in Path(folder).glob("*"):
            if tool.name not in {"netperf", "netserver"} and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    environment = {"NETBENCH_ENGINE": "netns", "PATH": str(tools)}
    program = Program(tmp_path, environment=environment)
    suite = program.suite('[[cell]]\nprobe = "tcp-crr"\nplacement = "same"\n')
    done = program("run", "--drivers", "host,bridge", "--blocks", "1", "--suite", suite)

    assert done.code == 3, done.stderr
    reasons = {r["outcome"]["reason"] for r in records(program.run_folder())}
    assert reasons == {"netperf is not installed there (package netperf)"}
    assert {r["outcome"]["kind"] for r in records(program.run_folder())} == {"skip"}


def test_how_datagrams_pass_a_published_port_shows_in_the_proxys_cpu_time(
    namespaces: None, tmp_path: Path
) -> None:
    del namespaces
    if proxy_unavailable() or find_program("nft") is None:
        require_or_skip("netns", "needs docker-proxy (package docker.io) and nft (nftables)")
    program = Program(tmp_path, environment={"NETBENCH_ENGINE": "netns"})
    suite = program.suite('[[cell]]\nprobe = "udp-rr"\nplacement = "same"\n')
    drivers = ",".join(f"bridge:user@published={way}" for way in ("nat", "proxy"))
    argv = ("run", "--drivers", drivers, "--paths", "north-south", "--blocks", "1")
    done = program(*argv, "--suite", suite)

    assert done.code in {0, 3}, done.stderr
    measured = sampled(
        records(program.run_folder())
    )  # of three arms beside busy neighbours one may fail
    assert measured
    for record in measured:
        _, _, way = record["cell"]["driver"].partition("=")
        assert dict(record["facts"])["trial.published_via"] == way
