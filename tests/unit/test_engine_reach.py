"""Where an engine is and what it says of itself: URLs, dialects, desktop products."""

from pathlib import Path
from typing import Any

import pytest
from docker.tls import TLSConfig

from netbench.engines.base import EngineOptions, Network
from netbench.engines.choose import open_engine
from netbench.engines.docker.client import DOCKER, PODMAN, EngineAddress, dialect_of, resolve
from netbench.engines.docker.endpoints import address_in
from netbench.engines.docker.facts import architecture, engine_facts, rootless_netns
from netbench.engines.docker.tunnel import SocketTunnel
from netbench.errors import ConfigurationError, EngineUnavailable
from netbench.record import Absent, Ipam
from netbench.system.files import LOCAL, NOWHERE, FrozenFiles, Unnumbered, processes, text

TARGET = EngineAddress("unix:///run/docker.sock", "DOCKER_HOST")
DETAILS = {"NetworkDriver": "pasta", "PortDriver": "implicit"}
ROOTLESSKIT = {"Name": "rootlesskit", "Version": "2.0.2", "Details": DETAILS}


def facts(info: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    return dict(engine_facts(info, version, TARGET))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://", "names no host"),
        ("ssh://root:secret@host", "holds a password"),
        ("ssh://host:nine", "is no URL"),
        ("ssh://host?x=1", "holds more than"),
    ],
)
def test_a_url_that_ssh_cannot_take_is_refused_before_anything_runs(url: str, words: str) -> None:
    with pytest.raises(EngineUnavailable, match=words) as caught:
        SocketTunnel(url)
    assert "secret" not in caught.value.message
    assert "ssh://[USER@]HOST" in caught.value.hint


def test_a_context_that_is_named_comes_before_docker_host() -> None:
    environment = {"DOCKER_HOST": "tcp://192.0.2.1:2375"}

    assert resolve(environment).url == "tcp://192.0.2.1:2375"
    assert resolve(environment, "default").origin == "context default"


@pytest.mark.parametrize("kind", ["auto", "docker"])
def test_an_unknown_context_is_no_reason_to_take_another_engine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    with pytest.raises(EngineUnavailable, match="'nosuch' does not exist"):
        open_engine(kind, "test", EngineOptions(context="nosuch"))


def test_what_needs_docker_is_told_all_at_once_to_who_asks_for_netns() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine("netns", "test", EngineOptions(context="far", parent="eth1"))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("target", "program", "command"),
    [
        (TARGET, "docker", "docker --host unix:///run/docker.sock"),
        (EngineAddress("ssh://h", "context far"), "docker", "docker --context far"),
        (EngineAddress("tcp://h:2376", "DOCKER_HOST", TLSConfig()), "docker", "docker"),
        (TARGET, "podman", "podman --url unix:///run/docker.sock"),
    ],
)
def test_a_user_calls_the_same_engine_by_its_own_command(
    target: EngineAddress, program: str, command: str
) -> None:
    assert " ".join(target.command(program)) == command


def test_an_engine_s_dialect_is_what_it_says_of_itself() -> None:
    podman = {"Components": [{"Name": "Podman Engine", "Version": "5.4.2"}]}
    docker = {"Components": [{"Name": "Engine", "Version": "26.1.5"}]}

    assert (dialect_of(podman), dialect_of(docker), dialect_of({})) == (PODMAN, DOCKER, DOCKER)
    assert facts({}, podman)["engine.name"] == "podman"
    assert architecture({"Architecture": "arm64"}) == "aarch64"
    assert architecture({"Architecture": "x86_64"}) == "x86_64"


@pytest.mark.parametrize(
    ("info", "platform", "product"),
    [
        ({"OperatingSystem": "Docker Desktop"}, "Docker Desktop 4.38.0 (181591)", "Docker Desktop"),
        ({"OperatingSystem": "OrbStack"}, "Docker Engine - Community", "OrbStack"),
        ({"KernelVersion": "5.15.167.4-microsoft-standard-WSL2"}, "", "WSL 2"),
        ({"KernelVersion": "6.10.14-linuxkit"}, "", "a LinuxKit machine"),
    ],
)
def test_a_desktop_product_is_known_by_what_the_engine_reports(
    info: dict[str, str], platform: str, product: str
) -> None:
    assert facts(info, {"Platform": {"Name": platform}})["engine.desktop"] == product
    plain = facts({"OperatingSystem": "Debian GNU/Linux 13", "KernelVersion": "6.12"}, {})
    assert isinstance(plain["engine.desktop"], Absent)


def test_the_network_of_a_rootless_engine_is_named() -> None:
    info = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}

    assert facts(info, {"Components": [ROOTLESSKIT]})["engine.rootless_network"] == "pasta"
    assert facts(info, {"Components": [ROOTLESSKIT]})["engine.port_driver"] == "implicit"
    assert isinstance(facts(info, {})["engine.rootless_network"], Absent)
    assert isinstance(facts(info, {})["engine.port_driver"], Absent)
    assert facts({}, {"Components": [ROOTLESSKIT]})["engine.rootless"] is False


def test_rootless_podman_names_its_network_elsewhere_than_docker() -> None:
    info = {"SecurityOptions": ["name=rootless"], "ServerVersion": "5.4.2"}
    podman = {"host": {"rootlessNetworkCmd": "pasta"}, "store": {"runRoot": "/run/user/7/stored"}}
    found = engine_facts(info, {"Components": [{"Name": "Podman Engine"}]}, TARGET, podman)

    assert found["engine.rootless_network"] == "pasta"
    assert found["engine.port_driver"] == "rootlessport"
    later = engine_facts({**info, "ServerVersion": "6.0.0"}, {}, TARGET, podman)
    assert later["engine.port_driver"] == Absent("the engine does not name it")
    namespace = "/run/user/7/stored/networks/rootless-netns/rootless-netns"
    assert rootless_netns(podman) == f"ns:{namespace}"


def test_an_address_is_found_by_id_by_name_or_because_it_is_the_only_one() -> None:
    network = Network("0abc", Ipam("bridge", "10.88.0.0/16", "10.88.0.1", None))

    assert address_in(network, {"0abc": "10.88.0.2", "other": "10.89.0.2"}) == "10.88.0.2"
    assert address_in(network, {"bridge": "10.88.0.3", "other": "10.89.0.2"}) == "10.88.0.3"
    assert address_in(network, {"podman": "10.88.0.4"}) == "10.88.0.4"
    assert address_in(network, {"one": "10.1.0.1", "two": "10.2.0.1"}) is None
    assert address_in(None, {"podman": "10.88.0.4"}) is None


def test_files_that_were_taken_are_those_of_then(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("then")
    taken = FrozenFiles(LOCAL, f"{tmp_path}/*", f"{tmp_path}/none")
    (tmp_path / "a").write_text("now")

    assert dict(taken.read(f"{tmp_path}/*")) == {f"{tmp_path}/{n}": b"then" for n in ("a", "b")}
    assert text(taken, f"{tmp_path}/a") == "then"
    assert text(LOCAL, f"{tmp_path}/a") == "now"
    assert text(taken, f"{tmp_path}/none") is None


def test_numbers_of_another_namespace_lead_to_no_process() -> None:
    seen = Unnumbered(LOCAL)

    assert not seen.read("/proc/1/stat", "/proc/*/stat", "/proc/[0-9]*/comm")
    assert set(seen.read("/proc/stat", "/proc/self/stat")) == {"/proc/stat", "/proc/self/stat"}
    assert (processes(seen, "sh"), processes(NOWHERE, "sh")) == ((), ())
