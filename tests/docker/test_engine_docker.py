import gc
import ipaddress
import json
import os
import socket
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest
from support import docker_story
from support.docker_parts import as_user, make, read
from support.dockerd import Lab
from support.walks import CGROUPS, folders

from netbench.engines.base import Endpoint
from netbench.engines.docker import DockerEngine, open_docker
from netbench.engines.docker.endpoints import MAIN
from netbench.engines.docker.exec import runs
from netbench.engines.docker.image import collect, find_tools
from netbench.errors import EngineError, EngineLost, EngineUnavailable
from netbench.record import NAMESPACE_KINDS
from netbench.spec import MACHINE_PATHS, Attach, NetworkSpec, Recipe, Role
from netbench.spec import Path as SpecPath
from netbench.system.files import LocalFiles

NOBODY_IN_PARTICULAR = 65532


def namespace(engine: DockerEngine, endpoint: Endpoint, kind: str) -> str:
    return read(engine, endpoint, "readlink", f"/proc/self/ns/{kind}").strip()


def test_an_endpoint_is_confined(engine: DockerEngine, api: docker.APIClient) -> None:
    endpoint = make(engine, cpus=(1,))

    lines = read(engine, endpoint, "cat", "/proc/self/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert {"0000000000000000"} == {status[f"Cap{name}"] for name in ("Prm", "Eff", "Bnd", "Amb")}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "65534\t65534\t65534\t65534" == status["Uid"] == status["Gid"]
    assert status["Cpus_allowed_list"] == "1"
    root = next(
        line.split()
        for line in read(engine, endpoint, "cat", "/proc/self/mounts").splitlines()
        if line.split()[1] == "/"
    )
    assert "ro" in root[3].split(",")
    config = api.inspect_container(endpoint.id)["HostConfig"]
    assert not config["Privileged"]
    assert config["PidsLimit"]


def test_each_attachment_gives_the_namespace_it_says(engine: DockerEngine) -> None:
    network = engine.create_network("net", NetworkSpec("bridge"))
    alone = make(engine, Attach.NONE, "alone")
    shares = make(engine, Attach.HOST, "shares")
    default = make(engine, Attach.DEFAULT, "default")
    joined = make(engine, Attach.NETWORK, "joined", network=network)
    peer = make(engine, Attach.PEER, "peer", peer=joined)

    net = {e.name: namespace(engine, e, "net") for e in (alone, shares, default, joined, peer)}
    assert namespace(engine, engine.host(), "net") == net[shares.name]
    assert net[joined.name] == net[peer.name]
    assert len(set(net.values())) == 4
    links = json.loads(read(engine, alone, "ip", "-j", "link"))
    assert [link["ifname"] for link in links] == ["lo"]
    assert network.ipam is not None
    assert network.ipam == joined.ipam
    assert joined.address is not None
    subnet = ipaddress.IPv4Network(network.ipam.subnet)
    assert ipaddress.IPv4Address(joined.address) in subnet
    assert subnet.subnet_of(ipaddress.IPv4Network("198.18.0.0/15"))
    assert default.ipam is not None
    assert default.ipam.bridge == "docker0"
    assert default.address is not None
    assert (alone.address, shares.address, peer.address) == (None, None, None)


def test_the_host_endpoint_has_the_engines_namespaces(engine: DockerEngine, lab: Lab) -> None:
    host = engine.host()

    for kind in NAMESPACE_KINDS:
        theirs = str(Path(f"/proc/{lab.pid}/ns/{kind}").readlink())
        if kind == "mnt":
            assert dict(host.stands_in) == {"mnt": int(theirs.strip("mnt:[]"))}
        else:
            assert namespace(engine, host, kind) == theirs
    assert engine.local
    assert host is engine.host()


def test_what_the_machine_offers_is_what_the_kernel_says(engine: DockerEngine) -> None:
    topology = engine.cpu_topology()

    assert os.cpu_count() == len(topology.usable)
    assert sorted(topology.usable) == sorted(cpu for core in topology.cores for cpu in core)
    assert engine.tools()["iperf3"].startswith("iperf 3.")
    assert engine.tools()["sockperf"].startswith("sockperf, version ")


def test_the_image_is_made_once(
    open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    first, second = open_engine("first"), open_engine("second")
    first.prepare()

    assert "reuses the probe image" in second.prepare()[0]
    assert len(api.images(filters={"label": "netbench.image"})) == 1
    assert first.facts()["engine.image_id"] == second.facts()["engine.image_id"]
    images = [thing for thing in second.owned() if thing.kind == "image"]
    assert [first.facts()["engine.image"]] == [image.name for image in images]
    assert not [thing for thing in second.owned("second") if thing.kind == "image"]


def test_the_images_archive_depends_on_its_content_alone() -> None:
    tools = find_tools()

    assert collect(tools) == collect(dict(reversed(tools.items())))


def test_a_tool_ends_at_its_limit_even_if_stopped_and_unattended(engine: DockerEngine) -> None:
    endpoint = make(engine)
    tool = engine.start(endpoint, ("sleep", "1234"), cpu=None, limit=1)
    tool.signal("STOP")
    done = tool.wait(60)

    assert (done.exit_code, done.timed_out) == (-9, True)
    assert docker_story.state(engine, endpoint, "sleep 1234") is None


def test_waiting_too_long_kills_the_tool(engine: DockerEngine) -> None:
    endpoint = make(engine)
    done = engine.start(endpoint, ("sleep", "1234"), cpu=None, limit=60).wait(0.5)

    assert (done.exit_code, done.timed_out) == (-9, True)
    assert docker_story.state(engine, endpoint, "sleep 1234") is None


def test_output_is_whole_and_apart(engine: DockerEngine) -> None:
    endpoint = make(engine)
    size = 1 << 20
    tool = engine.start(endpoint, ("head", "-c", str(size), "/dev/zero"), cpu=0, limit=20)
    done = tool.wait(20)
    assert (0, size, "") == (done.exit_code, len(done.stdout), done.stderr)
    failed = engine.run(endpoint, ("cat", "/nothing"), timeout=20)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "No such file" in failed.stderr


def test_a_missing_tool_says_so(engine: DockerEngine) -> None:
    done = engine.run(make(engine), ("nosuchtool",), timeout=20)

    assert done.exit_code == 127
    assert "nosuchtool" in done.stderr


SIGNALS = {
    "cpus": "0",
    "stopped": "T",
    "alive": True,
    "continued": "S",
    "exit": -9,
    "left": None,
}


def test_signals_reach_the_tool_as_root(engine: DockerEngine) -> None:
    assert docker_story.signals(engine) == SIGNALS


def test_signals_reach_the_tool_where_proc_is_not_ours(lab: Lab) -> None:
    """By the same socket: the processes alone tell that the engine's machine is another one."""
    elsewhere = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    told = as_user("signals", lab, 0, 0, before=elsewhere)

    assert told == {"local": False, **SIGNALS}


def test_signals_reach_the_tool_for_a_user_with_the_socket_alone(lab: Lab) -> None:
    told = as_user("signals", lab, NOBODY_IN_PARTICULAR, lab.socket.stat().st_gid)

    assert told == {"local": True, **SIGNALS}


def test_a_user_without_the_socket_is_told_which_group(lab: Lab) -> None:
    told = as_user("signals", lab, NOBODY_IN_PARTICULAR, NOBODY_IN_PARTICULAR)

    assert f"not permitted to use the Docker socket {lab.socket}" in told["message"]
    assert "usermod -aG" in told["hint"]


def test_only_what_carries_the_label_is_ours(
    engine: DockerEngine, open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    other = open_engine("test-run-2")
    others = make(other, name="other")
    network = engine.create_network("net", NetworkSpec("bridge"))
    mine = make(engine, Attach.NETWORK, "mine", network=network)
    labels = {"netbench": "test-run", "note": "netbench.run=test-run"}
    image = engine.facts()["engine.image"]
    foreign = api.create_container(
        image, name=f"{mine.name}-too", entrypoint=["sleep", "60"], labels=labels
    )["Id"]
    foreign_network = api.create_network("netbench-test-run-net", labels=labels)["Id"]
    try:
        found = engine.owned("test-run")
        assert {mine.id, engine.host().id, network.id} == {thing.id for thing in found}
        assert {foreign, foreign_network}.isdisjoint(thing.id for thing in engine.owned())
        for thing in found:
            engine.remove_owned(thing)
            engine.remove_owned(thing)
        assert engine.owned("test-run") == ()
        assert others.id in {thing.id for thing in engine.owned()}
        assert foreign == api.inspect_container(foreign)["Id"]
        assert foreign_network == api.inspect_network(foreign_network)["Id"]
    finally:
        api.remove_container(foreign, force=True)
        api.remove_network(foreign_network)


def test_a_run_is_live_while_its_process_is(engine: DockerEngine, lab: Lab) -> None:
    mine = make(engine)
    left = as_user("abandon", lab, 0, 0)["id"]

    live = {thing.id: thing.live for thing in engine.owned() if thing.kind == "container"}
    assert live[mine.id]
    assert not live[left]
    for thing in engine.owned("story"):
        engine.remove_owned(thing)


def test_subnets_avoid_networks_and_routes(
    engine: DockerEngine, api: docker.APIClient, lab: Lab
) -> None:
    pool = docker.types.IPAMPool(subnet="198.18.0.0/23")
    taken = api.create_network("taken", ipam=docker.types.IPAMConfig(pool_configs=[pool]))["Id"]
    lab.inside("ip", "route", "add", "blackhole", "198.18.2.0/24")
    try:
        made = engine.create_network("net", NetworkSpec("bridge"))
        assert made.ipam is not None
        assert made.ipam.subnet == "198.18.3.0/24"
        assert made.ipam.gateway == "198.18.3.1"
    finally:
        lab.inside("ip", "route", "del", "blackhole", "198.18.2.0/24")
        api.remove_network(taken)


def test_pairs_are_made_and_removed_from_several_threads(engine: DockerEngine) -> None:
    def pair(number: int) -> tuple[Endpoint, Endpoint]:
        network = engine.create_network(f"net{number}", NetworkSpec("bridge"))
        return (
            make(engine, Attach.NETWORK, f"client{number}", network=network),
            make(engine, Attach.NETWORK, f"server{number}", network=network),
        )

    with ThreadPoolExecutor(3) as pool:
        pairs = list(pool.map(pair, range(3)))
    made = [endpoint for both in pairs for endpoint in both]
    assert len({endpoint.address for endpoint in made}) == 6
    for client, server in pairs:
        assert client.ipam == server.ipam
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(engine.remove_endpoint, made))
    assert [engine.host().id] == [t.id for t in engine.owned("test-run") if t.kind == "container"]


def test_a_refused_endpoint_leaves_nothing(engine: DockerEngine) -> None:
    gone = make(engine)
    engine.remove_endpoint(gone)
    engine.remove_endpoint(gone)

    with pytest.raises(EngineError, match=r"^create container .*No such container"):
        make(engine, Attach.PEER, peer=gone)
    with pytest.raises(EngineError, match=r"CPUs"):
        make(engine, cpus=(999,))
    assert [engine.host().id] == [thing.id for thing in engine.owned("test-run")]


def test_what_the_engine_has_not_is_unsupported(engine: DockerEngine) -> None:
    bridge = Recipe(Attach.NETWORK, Attach.NETWORK, NetworkSpec("bridge"))
    weave = Recipe(Attach.NETWORK, Attach.NETWORK, NetworkSpec("weave"))

    assert "--peer-context" in (engine.unsupported(bridge, SpecPath.ACROSS) or "")
    for path in MACHINE_PATHS:
        why = engine.unsupported(bridge, path) or ""
        assert "netbench is not in the network namespace of the engine's host" in why
        assert "no network driver weave" in (engine.unsupported(weave, path) or "")
    for path in (SpecPath.EAST_WEST, SpecPath.NORTH_SOUTH, SpecPath.HAIRPIN):
        assert engine.unsupported(bridge, path) is None
        assert engine.unsupported(Recipe(Attach.DEFAULT, Attach.DEFAULT), path) is None
        assert "no network driver weave" in (engine.unsupported(weave, path) or "")


def test_an_absent_image_is_not_pulled(open_engine: Callable[..., DockerEngine]) -> None:
    with pytest.raises(EngineError, match="nothing is pulled unasked") as caught:
        open_engine("pull", image="nosuch/image:1").prepare()
    assert caught.value.hint == "docker pull nosuch/image:1"


def test_an_image_without_tools_names_them(
    open_engine: Callable[..., DockerEngine], api: docker.APIClient
) -> None:
    tools = {name: path for name, path in find_tools().items() if name not in {"sockperf", "kill"}}
    archive, folders = collect(tools)
    libraries = f"ENV LD_LIBRARY_PATH={':'.join(folders)}"
    api.import_image_from_data(archive, "poor", "1", changes=["ENV PATH=/usr/bin", libraries])
    try:
        with pytest.raises(EngineError, match=r"lacks kill"):
            open_engine("poor", image="poor:1").prepare()
        with pytest.raises(EngineError, match=r"lacks sockperf"):
            open_engine("poor-2", image="poor:1").tools()
    finally:
        for container in api.containers(all=True, filters={"ancestor": "poor:1"}):
            api.remove_container(container["Id"], force=True)
        api.remove_image("poor:1")


def test_a_given_image_with_the_tools_is_used(
    engine: DockerEngine, open_engine: Callable[..., DockerEngine]
) -> None:
    reference = engine.facts()["engine.image"]
    assert isinstance(reference, str)
    given = open_engine("given", image=reference)

    assert f"uses the image {reference}" == given.prepare()[0]
    assert given.tools() == engine.tools()


def test_a_build_without_a_registry_fails_with_its_reason(
    open_engine: Callable[..., DockerEngine],
) -> None:
    with pytest.raises(EngineError, match=r"^build netbench-probe:.*registry") as caught:
        open_engine("build", image="build").prepare()
    assert "leave --image out" in caught.value.hint


def test_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "none.sock"

    with pytest.raises(EngineUnavailable, match=f"no Docker socket at {path}") as caught:
        open_docker("run", environment={"DOCKER_HOST": f"unix://{path}"})
    assert "systemctl start docker" in caught.value.hint


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with pytest.raises(EngineUnavailable, match=f"no Docker Engine answers at {path}"):
        open_docker("run", environment={"DOCKER_HOST": f"unix://{path}"})


def test_an_unknown_context_is_an_error_not_the_default_engine() -> None:
    with pytest.raises(EngineUnavailable, match="context 'nosuch' does not exist") as caught:
        open_docker("run", environment={"DOCKER_CONTEXT": "nosuch"})
    assert "docker context ls" in caught.value.hint


def test_missing_tls_files(tmp_path: Path) -> None:
    environment = {
        "DOCKER_HOST": "tcp://127.0.0.1:9",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }

    with pytest.raises(EngineUnavailable, match="TLS") as caught:
        open_docker("run", environment=environment)
    assert "DOCKER_CERT_PATH" in caught.value.hint


def test_an_engine_that_dies_is_lost_and_the_lab_leaves_nothing() -> None:
    before = Path("/proc/net/dev").read_text().count(":")
    lab = Lab.start()
    try:
        engine = open_docker("lost", environment=lab.environment)
        engine.prepare()
        endpoint = engine.create_endpoint(
            "one", Role.CLIENT, Attach.NONE, network=None, peer=None, cpus=()
        )
        tool = engine.start(endpoint, ("sleep", "1234"), cpu=None, limit=60)
        lab.kill()
        with warnings.catch_warnings():
            # The SDK leaves its socket to the collector where connecting fails.
            warnings.simplefilter("ignore", ResourceWarning)
            with pytest.raises(EngineLost, match="stopped answering"):
                tool.wait(30)
            with pytest.raises(EngineLost):
                engine.create_network("net", NetworkSpec("bridge"))
            engine.close()
            gc.collect()
        namespace, name = (lab.folder / "lab").read_text().split()
        # Held open: the number of one that is gone is the next one's, whoever makes it.
        held = os.open(f"/proc/{(lab.folder / 'holder').read_text().strip()}/ns/mnt", os.O_RDONLY)
    finally:
        lab.stop()
    assert not lab.folder.exists()
    assert list(folders(CGROUPS, name)) == []
    assert namespace not in {_mount_namespace(path) for path in Path("/proc").glob("[0-9]*")}
    os.close(held)
    assert not runs(LocalFiles(), endpoint.pid, MAIN)
    assert before == Path("/proc/net/dev").read_text().count(":")


def _mount_namespace(process: Path) -> str | None:
    try:
        return str((process / "ns/mnt").readlink())
    except OSError:
        return None
