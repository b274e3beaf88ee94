import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import other_engines
from support.away import SOCKET_GROUP, Away, tls_files
from support.dockerd import Lab
from support.other_engines import OtherEngine


@pytest.fixture(scope="session")
def keys() -> Iterator[Path]:
    """Keys, certificates and contexts of both sides."""
    folder = Path(tempfile.mkdtemp(prefix="netbench-keys-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def lab(keys: Path) -> Iterator[Lab]:
    """A Docker Engine at its socket, and at a port that takes certificates alone."""
    started = Lab.start(SOCKET_GROUP, *tls_files(keys / "tls"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def away(lab: Lab, keys: Path) -> Iterator[Away]:
    """Another machine, from which that engine is a remote one."""
    machine = Away(lab, keys)
    yield machine
    machine.stop()


@pytest.fixture(scope="session")
def rootless() -> Iterator[OtherEngine]:
    """A Docker Engine of an ordinary user."""
    started = other_engines.rootless()
    yield started
    started.stop()


@pytest.fixture
def rootless_by_slirp4netns() -> Iterator[OtherEngine]:
    """The same, whose published ports are passed on by its network, too."""
    started = other_engines.rootless("slirp4netns")
    yield started
    started.stop()


@pytest.fixture
def rootless_podman() -> Iterator[OtherEngine]:
    """Podman of an ordinary user."""
    started = other_engines.rootless_podman()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def podman() -> Iterator[OtherEngine]:
    """Podman as root, at its compatible socket."""
    started = other_engines.podman()
    yield started
    started.stop()
