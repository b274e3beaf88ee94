"""What a Docker Engine puts into the traffic's way is in that of the netns engine too."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path as File

import docker
import pytest
from support.dockerd import Lab
from support.hang import SOON
from support.program import wait_for

from netbench.engines.base import Endpoint
from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.firewall import Firewall
from netbench.engines.netns.rules import bridge_rules
from netbench.record import Completed
from netbench.spec import Attach, Family, NetworkSpec, Role
from netbench.system.setns import in_netns

Box = Callable[[str, NetworkSpec | None], Endpoint]
BRIDGE = NetworkSpec("bridge")
BRIDGE_NF = "bridge/bridge-nf-call-iptables"
TO_PROXY = re.compile(r'\s*iifname "\S+" counter return\n')
"""In `nat DOCKER`: Docker leaves published ports of a network's own to docker-proxy."""


@pytest.fixture
def box(engine: NetnsEngine) -> Box:
    """Make an endpoint in a new network, or in the default one."""

    def make(name: str, spec: NetworkSpec | None) -> Endpoint:
        network = engine.create_network(f"net-{name}", spec) if spec else None
        attach = Attach.NETWORK if spec else Attach.DEFAULT
        return engine.create_endpoint(
            name, Role.SERVER, attach, network=network, peer=None, cpus=()
        )

    return make


def printed(engine: NetnsEngine, place: Endpoint, *argv: str) -> str:
    done = engine.run(place, argv, timeout=10)

    assert done.exit_code == 0, done.stderr
    return done.stdout


def ruleset(engine: NetnsEngine, place: Endpoint) -> str:
    return printed(engine, place, "nft", "--stateless", "list", "ruleset")


def setting(pid: int, name: str) -> str:
    return in_netns(pid, lambda: File("/proc/sys/net", name).read_text().strip())


def chains(listed: str, names: dict[str, str]) -> dict[str, list[str]]:
    """Return the rules of each chain in what `nft` lists, links and subnets under common names."""
    listed = TO_PROXY.sub("", listed).replace("related,established", "established,related")
    for name, common in names.items():
        listed = listed.replace(name, common)
    found: dict[str, list[str]] = {}
    table = chain = ""
    for line in listed.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = f"{table} {words[1]}"
            found[chain] = []
        elif words and words != ["}"] and not line.startswith("#"):
            found[chain].append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab.start()
    yield lab
    lab.stop()


def test_the_host_has_the_rules_and_settings_of_a_docker_engine_s(
    engine: NetnsEngine, box: Box, lab: Lab
) -> None:
    client = docker.DockerClient(base_url=f"unix://{lab.socket}")
    made = client.networks.create("twin", options={"com.docker.network.bridge.name": "br-twin"})
    subnets = [
        client.networks.get(name).attrs["IPAM"]["Config"][0]["Subnet"]
        for name in ("bridge", "twin")
    ]
    theirs = lab.inside("nft", "--stateless", "list", "ruleset")
    made.remove()
    client.close()
    user = box("a", BRIDGE).ipam
    default = box("b", None).ipam
    assert user
    assert default

    ours = ruleset(engine, engine.host())
    assert chains(
        ours,
        {
            str(default.subnet): "SUBNET1",
            str(user.subnet): "SUBNET2",
            f'"{default.bridge}"': "BRIDGE1",
            f'"{user.bridge}"': "BRIDGE2",
        },
    ) == chains(
        theirs,
        {
            subnets[0]: "SUBNET1",
            subnets[1]: "SUBNET2",
            '"docker0"': "BRIDGE1",
            '"br-twin"': "BRIDGE2",
        },
    )
    for name in (BRIDGE_NF, "bridge/bridge-nf-call-ip6tables", "ipv4/ip_forward"):
        assert setting(engine.host().pid, name) == setting(lab.holder, name)


@pytest.mark.parametrize(
    ("spec", "asks"),
    [(None, False), (BRIDGE, True), (NetworkSpec("macvlan", mode="bridge"), True)],
    ids=["default", "bridge", "macvlan"],
)
def test_endpoints_of_user_defined_networks_have_the_way_to_the_name_server(
    engine: NetnsEngine, box: Box, spec: NetworkSpec | None, *, asks: bool
) -> None:
    endpoint = box("a", spec)

    assert ("ip daddr 127.0.0.11" in ruleset(engine, endpoint)) == asks
    assert (setting(endpoint.pid, "ipv6/conf/eth0/disable_ipv6") == "1") == asks
    assert setting(endpoint.pid, "ipv4/ip_unprivileged_port_start") == "0"
    assert "qlen" not in printed(engine, endpoint, "ip", "link", "show", "eth0")


def test_bridged_traffic_passes_the_engine_s_rules(engine: NetnsEngine) -> None:
    if setting(engine.host().pid, BRIDGE_NF) != "1":
        pytest.skip("the kernel has no br_netfilter")
    network = engine.create_network("net", BRIDGE)
    server, client = (
        engine.create_endpoint(
            name, Role.SERVER, Attach.NETWORK, network=network, peer=None, cpus=()
        )
        for name in ("s", "c")
    )
    serving = engine.start(server, ("iperf3", "-s", "-1", "-p", "5209"), cpu=None, limit=20)
    wait_for(lambda: "1459" in printed(engine, server, "cat", "/proc/net/tcp6"))
    printed(engine, client, "iperf3", "-c", str(server.address), "-p", "5209", "-n", "1M")
    serving.wait(SOON)

    listed = printed(engine, engine.host(), "nft", "list", "chain", "ip", "filter", "FORWARD")
    established = f'oifname "{network.id}" ct state related,established counter packets '
    found = re.search(re.escape(established) + r"(\d+)", listed)
    assert found
    assert int(found[1]) > 10
    assert engine.facts()["engine.bridge_nf_iptables"] is True


def test_rules_go_with_their_network_and_what_others_added_stays(
    engine: NetnsEngine, box: Box
) -> None:
    before = ruleset(engine, engine.host())
    own = ("iptables", "-I", "FORWARD", "-s", "192.0.2.1", "-j", "DROP")
    printed(engine, engine.host(), *own)
    network = engine.create_network("net", BRIDGE)
    inner = engine.create_network("inner", NetworkSpec("bridge", internal=True))
    engine.remove_network(network)
    engine.remove_network(inner)

    assert "192.0.2.1" in ruleset(engine, engine.host())
    engine._world.firewall.restore()  # noqa: SLF001 -- what the last CNI network's end does
    assert ruleset(engine, engine.host()) == before
    del box


def test_without_iptables_nftables_holds_the_same_rules(engine: NetnsEngine) -> None:
    """In a world of iptables: both sets are there afterwards, and are compared."""
    world = engine._world  # noqa: SLF001 -- the namespace to work in

    def command(place: int, argv: tuple[str, ...], text: str) -> Completed:
        if "tables-restore" in argv[0]:
            return Completed(argv, 1, "", "not here", False, 0.0)
        return world.spawner.command(place, argv, stdin=text)

    firewall = Firewall(engine.host().pid, command)
    rules = bridge_rules("nb0", "198.18.0.0/24", internal=False, icc=True)
    firewall.add("bridge nb0", {Family.V4: rules})

    assert firewall.backend == "nftables"
    assert firewall.lacking is None
    found = chains(ruleset(engine, engine.host()), {})
    assert {chain for chain in found if chain.startswith("ip filter ")}
    for chain, rules in found.items():
        if chain.startswith(("ip filter ", "ip nat ")):
            assert found[chain.replace("ip ", "ip netbench-", 1)] == rules
    firewall.drop("bridge nb0")
    assert '"nb0"' not in ruleset(engine, engine.host()).partition("table ip netbench-nat")[2]
