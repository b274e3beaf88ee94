"""The probe image: imported with this host's own tools, named by the user, or built."""

import hashlib
import io
import os
import platform
import re
import tarfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from docker import APIClient
from docker.errors import ImageNotFound

from netbench.engines.base import PROBE_IMAGE
from netbench.engines.docker.client import Clients
from netbench.engines.local_process import NOT_RUN, SYSTEM, call, find_program
from netbench.errors import EngineError

IMAGE: Final = "netbench.image"  # label of a probe image; it belongs to no run
REQUIRED: Final[Mapping[str, str]] = {
    "iperf3": "iperf3",
    "socat": "socat",
    "sh": "dash",
    "sockperf": "sockperf",
    "ip": "iproute2",
    "taskset": "util-linux",
    **dict.fromkeys(("timeout", "date", "sleep", "cat", "dd", "head", "readlink"), "coreutils"),
    **dict.fromkeys(("kill", "pgrep", "pkill"), "procps"),
}
"""Tools that every endpoint needs, with the Debian package that holds each."""
OPTIONAL: Final = ("ethtool", "netperf", "netserver")  # these show or measure more
OTHER_WAY: Final = "or name an image that has them: --image REF, or --image build"

_BUILD: Final = 600  # seconds that the engine may be silent during a build, which downloads
_LOADED: Final = re.compile(r"^\s+(?:\S+ => )?(/\S+)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
_MISSING: Final = re.compile(r"^\s+(\S+) => not found", re.MULTILINE)
_FOLDERS: Final = (*SYSTEM, "/usr/local/bin", "/usr/bin", "/bin")
_DIRECTORIES: Final = ("/dev", "/etc", "/proc", "/sys", "/tmp")  # noqa: S108 - the image's own


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there."""

    reference: str
    id: str
    done: str  # what was done to have it, in words


def prepare(clients: Clients, wanted: str | None, architecture: str) -> Image:
    """Return the image that `--image` asks for; None makes it of this host's tools."""
    if wanted is None:
        return _from_host(clients, architecture)
    if wanted == "build":
        return _built(clients)
    with clients.lend(f"inspect image {wanted}") as api:
        if identity := _identity(api, wanted):
            return Image(wanted, identity, f"uses the image {wanted}")
    why = f"the engine has no image {wanted}, and nothing is pulled unasked"
    raise EngineError(why, hint=f"docker pull {wanted}")


def _identity(api: APIClient, reference: str) -> str | None:
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    try:
        return str(inspect(reference)["Id"])
    except ImageNotFound:
        return None


def _tag(*content: bytes) -> str:
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:12]


def _from_host(clients: Clients, architecture: str) -> Image:
    if architecture != platform.machine():
        raise EngineError(
            f"the engine's machine is {architecture}, this one {platform.machine()}: its tools "
            "cannot run there",
            hint="name an image that has the tools: --image REF, or --image build",
        )
    begun = time.monotonic()
    archive, libraries = collect(find_tools())
    path = f"ENV LD_LIBRARY_PATH={':'.join(libraries)}"
    changes = ["ENV PATH=/usr/bin", path, f"LABEL {IMAGE}=1"]
    tag = _tag(archive, *(change.encode() for change in changes))
    reference = f"{PROBE_IMAGE}:{tag}"
    with clients.lend(f"import {reference}") as api:
        if identity := _identity(api, reference):
            return Image(reference, identity, f"reuses the probe image {reference}")
        answer = api.import_image_from_data(archive, PROBE_IMAGE, tag, changes=changes)
        identity = _identity(api, reference)
    if identity is None:
        raise EngineError(f"import {reference}: {answer}")
    what = f"{len(archive) / 1e6:.0f} MB, {time.monotonic() - begun:.1f} s"
    made = f"made the probe image {reference} of this host's tools ({what})"
    return Image(reference, identity, made)


def _built(clients: Clients) -> Image:
    recipe = (Path(__file__).parent / "Dockerfile").read_bytes()
    reference = f"{PROBE_IMAGE}:{_tag(recipe)}"
    with clients.lend(f"build {reference}") as api:
        if identity := _identity(api, reference):
            return Image(reference, identity, f"reuses the built image {reference}")
        steps = api.build(
            fileobj=io.BytesIO(recipe),
            tag=reference,
            timeout=_BUILD,
            labels={IMAGE: "1"},
            rm=True,
            forcerm=True,
            decode=True,
        )
        failures = [str(step["error"]) for step in steps if "error" in step]
        identity = _identity(api, reference)
    if failures or identity is None:
        raise EngineError(
            f"build {reference}: {'; '.join(failures) or 'the engine gave no image'}",
            hint="the engine needs a registry for this; leave --image out to use the host's tools",
        )
    return Image(reference, identity, f"built the image {reference} from the Dockerfile")


def find_tools() -> dict[str, str]:
    """Return the path of each tool on this host; `EngineError` if required ones are missing."""
    found = {name: find_program(name, *_FOLDERS) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if found[name] is None]
    if missing:
        packages = " ".join(dict.fromkeys(REQUIRED[name] for name in missing))
        raise EngineError(
            f"this host lacks {', '.join(missing)}, which the probe image is made from",
            hint=f"install: sudo apt-get install {packages}; {OTHER_WAY}",
        )
    return {name: place for name, place in found.items() if place}


def collect(tools: Mapping[str, str]) -> tuple[bytes, tuple[str, ...]]:
    """Return an archive of tools, by their own paths and links in /usr/bin, and their libraries."""
    links = {f"/usr/bin/{name}": str(Path(place).resolve()) for name, place in tools.items()}
    programs = set(links.values())
    loaded = {path for program in programs for path in _loaded(program)}
    # `ldd` does not show libgcc, which glibc opens when a thread is cancelled.
    late = {Path(path).parent / "libgcc_s.so.1" for path in loaded if path.endswith("/libc.so.6")}
    loaded |= {str(path) for path in late if path.exists()}
    libraries = tuple(sorted({str(Path(path).parent) for path in loaded}))
    return _archive(programs | loaded, links), libraries


def _archive(files: Collection[str], links: Mapping[str, str]) -> bytes:
    folders = {str(parent) for path in (*files, *links) for parent in PurePosixPath(path).parents}
    folders |= {*_DIRECTORIES}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({*folders, *files, *links} - {"/"}):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = 0o1777 if path == "/tmp" else 0o755  # noqa: S108 - the image's own
            content = b""
            if path in files:
                content = Path(path).read_bytes()
            elif path in links:
                entry.type, entry.linkname = tarfile.SYMTYPE, links[path]
            else:
                entry.type = tarfile.DIRTYPE
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _loaded(path: str) -> set[str]:
    if not Path(path).read_bytes().startswith(b"\x7fELF"):
        raise EngineError(
            f"{path} is a script here, which cannot be copied into an image",
            hint=f"install the binary; {OTHER_WAY}",
        )
    done = call("ldd", path)
    if done.returncode == NOT_RUN:
        raise EngineError(f"cannot run ldd: {done.stderr}", hint=f"install ldd; {OTHER_WAY}")
    return libraries(path, done.stdout)


def libraries(name: str, printed: str) -> set[str]:
    """Return the paths in the output of `ldd`, none for a static binary; all must be there."""
    if missing := _MISSING.findall(printed):
        raise EngineError(
            f"{name} cannot run on this host: {', '.join(missing)} not found",
            hint=f"install the libraries; {OTHER_WAY}",
        )
    return {os.path.normpath(path) for path in _LOADED.findall(printed)}
