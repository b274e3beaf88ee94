"""A real engine with things on it that are not what they say, and what a run tells of its host."""

import io
import os
import platform
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from support.docker_parts import links
from support.dockerd import Lab
from support.program import TRICKLE, Program

from netbench.engines.docker import DockerEngine
from netbench.engines.docker.image import OPTIONAL, REQUIRED, find_tools, libraries
from netbench.engines.docker.lan import STEM, WIRES
from netbench.record.redaction import telling

SOCKET_GROUP = 65533
LINK, ADDRESS, ADDRESS6, MAC = "lan9", "10.77.3.21", "fd77:1:2::21", "d4:5d:64:0a:0b:0c"


def test_the_image_holds_the_tools_and_what_they_load_and_nothing_else(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    entries = _exported(api, str(engine.facts()["engine.image"]))
    files = {f"/{e.name}" for e in entries if e.isfile()}
    symlinks = {f"/{e.name}": e.linkname for e in entries if e.issym()}

    tools = find_tools()
    programs = {os.path.realpath(place) for place in tools.values()}
    assert set(tools) <= {*REQUIRED, *OPTIONAL}
    assert programs <= files
    loaded = {path for program in programs for path in _loaded(program)}
    late = {path for path in files if Path(path).name == "libgcc_s.so.1"}
    assert files == programs | loaded | late
    assert {str(Path("/usr/bin") / target) for target in symlinks.values()} <= programs
    assert set(symlinks) <= {f"/usr/bin/{name}" for name in tools}
    assert not [
        e.name for e in entries if e.mode & 0o6000 or not (e.isfile() or e.isdir() or e.issym())
    ]


def _exported(api: docker.APIClient, image: str) -> list[tarfile.TarInfo]:
    """Return the entries of the image's one layer."""
    whole = io.BytesIO(b"".join(api.get_image(image)))
    with tarfile.open(fileobj=whole) as archive:
        layers = [m for m in archive.getmembers() if m.isfile() and _is_layer(archive, m)]
        (layer,) = layers
        content = archive.extractfile(layer)
        assert content is not None
        with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
            return inner.getmembers()


def _is_layer(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    content = archive.extractfile(member)
    head = content.read(512) if content else b""
    return head[257:262] == b"ustar"


def _loaded(program: str) -> set[str]:
    done = subprocess.run(("ldd", program), capture_output=True, text=True, check=False)
    return libraries(program, done.stdout)


@pytest.mark.parametrize(
    "stem", ["", "e", "lo", "nb", "nb000000", f"{LINK}) ip link del {LINK};; esac; case x in nb"]
)
def test_a_label_of_anothers_costs_the_host_no_link(
    engine: DockerEngine, api: docker.APIClient, lab: Lab, own_link: None, stem: str
) -> None:
    del own_link
    image = engine.facts()["engine.image"]
    labels = {"netbench.run": "left", WIRES: stem}
    made = api.create_container(image, entrypoint=["sleep", "60"], labels=labels)["Id"]
    before = links(lab)
    assert LINK in before

    (thing,) = engine.owned("left")
    engine.remove_owned(thing)

    assert thing.id == made
    assert links(lab) == before


def test_the_lans_own_wires_have_the_name_that_is_believed(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    engine.lan()

    found = [c["Labels"][WIRES] for c in api.containers(filters={"label": WIRES})]
    assert found
    assert all(STEM.fullmatch(stem) for stem in found)


@pytest.fixture
def own_link(lab: Lab) -> Iterator[None]:
    """A link of the host's own, with addresses of the site."""
    lab.inside("ip", "link", "add", LINK, "address", MAC, "type", "bridge")
    try:
        lab.inside("ip", "address", "add", f"{ADDRESS}/24", "dev", LINK)
        lab.inside("ip", "address", "add", f"{ADDRESS6}/64", "dev", LINK, "nodad")
        lab.inside("ip", "link", "set", LINK, "up")
        yield
    finally:
        lab.inside("ip", "link", "del", LINK)


@pytest.mark.parametrize("reader", ["root", "user"])
def test_no_file_of_a_run_tells_the_hosts_addresses_and_name(
    plain_user: Callable[..., Program], own_link: None, lab: Lab, tmp_path: Path, reader: str
) -> None:
    del own_link
    caller = Program(tmp_path) if reader == "root" else plain_user(group=SOCKET_GROUP)
    runner = lab.beside(caller)
    argv = ("run", "--engine", "docker", "--drivers", "host,bridge", "--blocks", "1")
    done = runner(*argv, "--suite", runner.suite(TRICKLE))

    assert done.code == 0, done.stderr
    files = [path for path in runner.run_folder().rglob("*") if path.is_file()]
    texts = {path.name: path.read_text(errors="replace") for path in files}
    words = (ADDRESS, "10.77.3.0", ADDRESS6, "fd77:1:2::/64", MAC)
    assert [(name, word) for name, text in texts.items() for word in words if word in text] == []
    # The page has words of its own, which a host may be called by; it is made from the others.
    written = "".join(text for name, text in texts.items() if not name.startswith("report"))
    name = re.escape(platform.node())
    assert not telling(platform.node()) or not re.search(rf"(?<![\w-]){name}(?![\w-])", written)
    assert "192.0.2." in texts["records.jsonl"]
    assert LINK in texts["records.jsonl"]
