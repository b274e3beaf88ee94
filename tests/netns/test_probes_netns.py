"""Round trips of every kind and the rate of connections, on nothing but the kernel."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.program import Program, records
from support.require import require_or_skip

import netbench
from netbench.analysis.states import PREFERENCE
from netbench.engines.netns import proxy
from netbench.engines.netns.firewall import find_program
from netbench.store import load

CONNECTIONS = 2000
SUITE = f"""
[probes.udp-rr-large]
kind = "udp-rr"
size = 65472
[probes.tcp-crr]
connections = {CONNECTIONS}
[[cell]]
probe = "tcp-rr"
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
    assert done.code == 0, done.stderr
    return program


def of(program: Program, probe: str) -> list[dict[str, Any]]:
    found = [r for r in records(program.run_folder()) if r["cell"]["probe"] == probe]
    assert len(found) >= 3
    return found


def test_every_round_trip_is_counted_and_none_is_kept_as_text(whole: Program) -> None:
    for probe in ("tcp-rr", "tcp-rr-loaded", "udp-rr-large"):
        for record in of(whole, probe):
            details = dict(record["outcome"]["details"])
            counted = sum(count for _, count in record["outcome"]["histogram"])
            assert counted == details["sockperf.observations"]
    raw = [path.read_text() for path in (whole.run_folder() / "raw").glob("*.txt")]
    assert not any(re.search(r"^\d+, \d+\.\d{9}, ", text, re.MULTILINE) for text in raw)


def test_closed_loops_keep_littles_law(whole: Program) -> None:
    told = [
        value
        for record in records(whole.run_folder())
        for name, value in record["outcome"]["details"]
        if name.endswith(".concurrency")
    ]

    assert len(told) >= 12
    assert told == pytest.approx([1] * len(told), abs=0.05)


def test_a_load_runs_beside_and_its_delay_stands_beside_the_idle_figure(whole: Program) -> None:
    for record in of(whole, "tcp-rr-loaded"):
        tools = [tool["argv"][0] for tool in record["tools"]]
        assert tools == ["sockperf", "sockperf", "iperf3", "iperf3"]
        carried = dict(record["outcome"]["details"])["load.throughput"]
        assert carried > 1e8
        assert record["path"]["required"] > carried / 8


def test_the_delay_of_a_load_is_told_wherever_the_machine_stayed_in_one_state(
    whole: Program,
) -> None:
    frame = netbench.load(whole.run_folder()).frame()
    known = frame[frame["state"].isin(PREFERENCE)]

    def places(probe: str, metric: str) -> set[tuple[object, ...]]:
        found = known[(known["probe"] == probe) & (known["metric"] == metric)]
        return {*zip(found["driver"], found["replica"], found["state"], strict=True)}

    both = places("tcp-rr", "rtt_p50") & places("tcp-rr-loaded", "rtt_p50")
    assert places("tcp-rr-loaded", "buffer_delay") == both
    assert {*frame[frame["metric"] == "buffer_delay"]["probe"]} <= {"tcp-rr-loaded"}


def test_datagrams_of_64_kib_travel_in_fragments(whole: Program) -> None:
    for record in of(whole, "udp-rr-large"):
        assert record["outcome"]["received"] % 65472 == 0
        assert record["outcome"]["received"] > 65472 * 100


def test_connections_are_as_many_as_asked_and_what_they_leave_is_told(whole: Program) -> None:
    for record in of(whole, "tcp-crr"):
        facts = dict(record["facts"])
        left = facts["trial.time_wait_after"] - facts["trial.time_wait_before"]
        assert left == pytest.approx(CONNECTIONS, abs=CONNECTIONS / 10) or record["attempt"] > 1
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
    if proxy.unavailable() or find_program("nft") is None:
        require_or_skip("netns", "needs docker-proxy (package docker.io) and nft (nftables)")
    program = Program(tmp_path, environment={"NETBENCH_ENGINE": "netns"})
    suite = program.suite('[[cell]]\nprobe = "udp-rr"\nplacement = "same"\n')
    drivers = ",".join(f"bridge:user@published={way}" for way in ("nat", "proxy"))
    argv = ("run", "--drivers", drivers, "--paths", "north-south", "--blocks", "1")
    done = program(*argv, "--suite", suite)

    assert done.code == 0, done.stderr
    for record in records(program.run_folder()):
        _, _, way = record["cell"]["driver"].partition("=")
        assert dict(record["facts"])["trial.published_via"] == way
