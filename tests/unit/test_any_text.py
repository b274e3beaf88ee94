"""Every parser, given anything: a value of its type, or the error it names; never a crash."""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import cases, held
from support.synthetic import run_of

from netbench.engines.docker.host import routed
from netbench.engines.docker.image import libraries
from netbench.engines.local_process import cpu_topology
from netbench.engines.netns.cni_chain import read_error, read_result
from netbench.errors import (
    ConfigurationError,
    EngineError,
    FactError,
    ProbeError,
    RunFolderError,
)
from netbench.facts.cpu_time import machine
from netbench.facts.host import FILES, host_facts, ruleset
from netbench.facts.inside import ip_rows, namespaces, offloads
from netbench.facts.procfs import (
    links_and_addresses,
    net_dev,
    net_ipv6_route,
    net_route,
    tcp_connections,
    tcp_ports,
)
from netbench.plan.budgets import read_budgets
from netbench.plan.drivers import load_conflist, parse_drivers
from netbench.plan.suite import load_suite
from netbench.probes import PROBES, ControlPlane, NameLookup, Probe, Sliced, UdpSearch
from netbench.record import Completed
from netbench.store import RECORDS, RUN, RunFolder, load
from netbench.system.cgroups import mounts, names, usage_v1, usage_v2
from netbench.units import bit_rate, cpu_list
from netbench.watch import failed_connects, time_wait
from netbench.watch.port_verdict import parse_conntrack

GOLDEN = Path(__file__).parent.parent / "golden"
REPORTED = run_of(blocks=1)
CONFLIST = (
    '{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge", "ipam": '
    '{"type": "host-local", "subnet": "198.18.0.0/24"}, "capabilities": {"portMappings": true}}]}'
)
CNI_RESULT = (
    '{"cniVersion": "1.0.0", "interfaces": [{"name": "veth0"}, {"name": "eth0", "sandbox": "/p"}], '
    '"ips": [{"address": "198.18.0.2/24", "gateway": "198.18.0.1", "interface": 1}]}'
)
NFT = '{"nftables": [{"metainfo": {}}, {"rule": {"handle": 4, "expr": [{"counter": {}}]}}]}'
ETHTOOL = '[{"ifname": "eth0", "rx-checksumming": {"active": true, "fixed": false}}]'
CONNTRACK = (
    "ipv4     2 tcp      6 431999 ESTABLISHED src=198.18.0.2 dst=198.18.0.1 sport=4 dport=5 "
    "src=172.17.0.2 dst=198.18.0.2 sport=5 dport=4 [ASSURED] mark=0 zone=0 use=2\n"
)
SOCKSTAT = "sockets: used 9\nTCP: inuse 1 orphan 0 tw 3 alloc 4 mem 1\n"
SNMP = "Tcp: RtoAlgorithm AttemptFails\nTcp: 1 7\n"
MOUNTINFO = (
    "26 20 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
    "27 26 0:23 / /sys/fs/cgroup/cpu rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
)
LDD = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1a)\n\t/lib64/ld-linux.so.2 (0x7f)\n"


@cache
def golden_ip() -> str:
    document = json.loads((GOLDEN / "facts" / "docker" / "bridge.json").read_text())
    text: str = document["inside"]["client"]["ip -j -d -s addr show"]
    return text


def completed(text: str) -> Completed:
    return Completed(("tool",), 0, text, text, timed_out=False, seconds=1.5)


def topology(text: str) -> object:
    class AllAlike:
        def read(self, *paths: str) -> dict[str, bytes]:
            return dict.fromkeys(paths, text.encode(errors="replace"))

    return cpu_topology(AllAlike())


def facts_of(text: str) -> object:
    return host_facts(lambda path: text if path in FILES else None, identify=True)


def budgets(text: str) -> object:
    problems: list[str] = []
    return read_budgets((text,), None, problems) or problems


def drivers(text: str) -> object:
    problems: list[str] = []
    return parse_drivers(text, problems) or problems


@dataclass(frozen=True)
class Parser:
    """One parser with an example of what it reads, and the only errors that it may raise."""

    parse: Callable[[str], object]
    example: Callable[[], str]
    errors: tuple[type[Exception], ...]


def given_text(text: str) -> Callable[[], str]:
    return lambda: text


def procfs(name: str) -> Callable[[], str]:
    return (GOLDEN / "procfs" / f"{name}.txt").read_text


FACT, VALUE = (FactError,), (ValueError,)
PARSERS = {
    "ip addr": Parser(lambda text: links_and_addresses(ip_rows(text)), golden_ip, FACT),
    "ip route": Parser(
        routed, given_text('[{"dst": "default"}, {"dst": "198.18.0.0/24"}]'), (EngineError,)
    ),
    "ethtool": Parser(offloads, given_text(ETHTOOL), ()),
    "nft": Parser(ruleset, given_text(NFT), FACT),
    "readlink": Parser(namespaces, given_text("net:[4026531840]\nuts:[4026531838]\n"), ()),
    "net dev": Parser(net_dev, procfs("dev"), FACT),
    "net route": Parser(net_route, procfs("route"), FACT),
    "net ipv6_route": Parser(net_ipv6_route, given_text(f"{'0' * 32} 00 " * 2), FACT),
    "net tcp ports": Parser(tcp_ports, procfs("tcp"), FACT),
    "net tcp": Parser(partial(tcp_connections, port=5201), procfs("tcp6"), FACT),
    "stat": Parser(machine, procfs("stat"), FACT),
    "conntrack": Parser(parse_conntrack, given_text(CONNTRACK), FACT),
    "sockstat": Parser(time_wait, given_text(SOCKSTAT), VALUE),
    "snmp": Parser(failed_connects, given_text(SNMP), (ValueError, KeyError)),
    "mountinfo": Parser(mounts, given_text(MOUNTINFO), FACT),
    "cgroup": Parser(names, given_text("4:cpu,cpuacct:/docker/x\n0::/docker/x\n"), FACT),
    "cpu.stat": Parser(usage_v2, given_text("usage_usec 5\nuser_usec 3\nsystem_usec 2\n"), FACT),
    "cpuacct": Parser(lambda text: usage_v1(text, text), given_text("5000000\n"), FACT),
    "host files": Parser(facts_of, given_text("model name : x\nprocessor : 0\nMemTotal: 1 kB"), ()),
    "cpu list": Parser(cpu_list, given_text("0-2,8"), VALUE),
    "cpus of a container": Parser(
        topology, given_text("Cpus_allowed_list:\t0-1\n"), (EngineError,)
    ),
    "ldd": Parser(lambda text: libraries("iperf3", text), given_text(LDD), (EngineError,)),
    "rate": Parser(bit_rate, given_text("250M"), VALUE),
    "cni result": Parser(read_result, given_text(CNI_RESULT), VALUE),
    "cni error": Parser(
        lambda text: read_error(completed(text)), given_text('{"code": 7, "msg": "no"}'), ()
    ),
    "budgets": Parser(budgets, given_text("bridge.rtt_p99@same <= 1.05 host + 20us"), ()),
    "drivers": Parser(
        drivers, given_text("bridge:user@mtu=9000+family=6,macvlan:vepa,plugin:x"), ()
    ),
}
SUITE = (Path(__file__).parents[2] / "benchmarks" / "standard.toml").read_text()

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just([])
    | st.just({})
    | st.just("9" * 5000)
)
PIECES = st.sampled_from(
    [
        "\n",
        "\x00",
        "-1",
        "9" * 5000,
        "1e999",
        "NaN",
        "٣",
        "1_0",
        "[" * 3000,
        "=",
        "\ud800",
        " ",
        ":",
    ]
) | st.text(max_size=6)


@st.composite
def spoiled(draw: st.DrawFn, example: str) -> str:
    """Draw any text, an example spoiled by letters, or an example with other JSON in it."""
    kind = draw(st.sampled_from(["any", "letters", "letters", "json"]))
    if kind == "any":
        return draw(st.text())
    if kind == "json":
        try:
            return json.dumps(_spoiled(draw, json.loads(example)))
        except ValueError:
            pass
    start = draw(st.integers(0, len(example)))
    end = draw(st.integers(start, min(len(example), start + 40)))
    return example[:start] + draw(PIECES) + example[end:]


def _spoiled(draw: st.DrawFn, value: Any) -> Any:
    """Return JSON with one value replaced, somewhere below."""
    below = (
        list(value)
        if isinstance(value, dict)
        else list(range(len(value)))
        if isinstance(value, list)
        else []
    )
    if not below or draw(st.booleans()):
        return draw(LEAVES)
    at = draw(st.sampled_from(below))
    other = dict(value) if isinstance(value, dict) else list(value)
    other[at] = _spoiled(draw, value[at])
    return other


def assert_sound(value: object) -> None:
    """No number in it is none."""
    if isinstance(value, float):
        assert math.isfinite(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            assert_sound(getattr(value, field.name))
    elif isinstance(value, dict):
        for one in (*value, *value.values()):
            assert_sound(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            assert_sound(one)


def assert_told(error: Exception) -> None:
    """It says something."""
    assert str(error)


@pytest.mark.parametrize("name", PARSERS)
def test_the_example_is_read(name: str) -> None:
    assert PARSERS[name].parse(PARSERS[name].example()) is not None


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_any_text_is_a_value_or_a_named_error(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    text = data.draw(spoiled(parser.example()))

    try:
        assert_sound(parser.parse(text))
    except parser.errors as exc:
        assert_told(exc)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, whose files each example spoils anew."""
    folder = RunFolder.create(tmp_path_factory.mktemp("any"), ("host",), REPORTED.info)
    for record in REPORTED.records[:2]:
        folder.append(record)
    return folder.path


@pytest.fixture(scope="module")
def examples(written: Path) -> dict[str, str]:
    """What stands in the files before they are spoiled."""
    run = {name: (written / name).read_text() for name in (RUN, RECORDS)}
    return {"suite.toml": SUITE, "net.conflist": CONFLIST, **run}


@pytest.mark.parametrize("name", ["suite.toml", "net.conflist", RUN, RECORDS])
@given(data=st.data())
def test_any_file_is_a_value_or_a_named_error(
    name: str, data: st.DataObject, written: Path, examples: dict[str, str]
) -> None:
    first, newline, rest = examples[name].partition("\n" if name == RECORDS else "\0")
    text = f"{data.draw(spoiled(first))}{newline}{rest}"
    path = written / name
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

    try:
        assert_sound(read_file(path))
    except (ConfigurationError, RunFolderError) as exc:
        assert_told(exc)
    finally:
        path.write_text(examples[name])


def read_file(path: Path) -> object:
    if path.name == "suite.toml":
        found, problems = load_suite(str(path))
        assert (found is None) == bool(problems)
        return found
    if path.name == "net.conflist":
        return load_conflist(str(path))
    run = load(path.parent)
    records = list(run.records())
    assert len(records) == 2 or run.notes
    return run.info, records


@pytest.mark.parametrize(
    "kind", [name for name, kind in PROBES.items() if not isinstance(kind(), UdpSearch | Sliced)]
)
@given(data=st.data())
def test_any_tool_output_is_a_sample_or_a_probe_error(kind: str, data: st.DataObject) -> None:
    probe = PROBES[kind]()
    tool = {"iperf3": "iperf3", "sockperf": "sockperf", "netperf": "netperf", "socat": "socat"}
    names = isinstance(probe, NameLookup)
    outputs = [one.completed for one in cases("socat-names" if names else tool[probe.tool])]
    seen = data.draw(st.sampled_from(outputs))
    text = data.draw(spoiled(seen.stdout))
    errors = data.draw(st.just(seen.stderr) | spoiled(seen.stderr))
    done = dataclasses.replace(seen, stdout=text, stderr=errors, exit_code=0)

    try:
        if isinstance(probe, ControlPlane):
            assert_sound(probe.answered(done))
        elif isinstance(probe, NameLookup):
            probe.cannot(done)
            assert_sound(probe.conclude(probe.hidden(done), "netbench-peer", "198.18.0.2"))
        elif isinstance(probe, Probe):
            probe.cannot(done)
            assert_sound(probe.parse(done, None))
    except ProbeError as exc:
        assert_told(exc)


@pytest.mark.parametrize("name", ["stream", "stream-bidirectional", "tcp", "udp", "connections"])
@given(data=st.data())
def test_any_session_is_a_sample_or_a_probe_error(name: str, data: st.DataObject) -> None:
    one = held(name)
    field = data.draw(st.sampled_from(["stdout", "stderr"]))
    end = data.draw(st.sampled_from(["client", "server"]))
    seen = getattr(one, end)
    # A whole log has thousands of lines: the first of them are enough to be spoiled.
    text = data.draw(spoiled(getattr(seen, field)[:20_000]))
    done = dataclasses.replace(seen, **{field: text})

    one.probe.cannot(done)
    try:
        assert_sound(dataclasses.replace(one, **{end: done}).read())
    except ProbeError as exc:
        assert_told(exc)
