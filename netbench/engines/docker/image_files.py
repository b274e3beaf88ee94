"""The probe image's files: this host's own tools with every library they load, as a tar archive."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from netbench.errors import EngineError

REQUIRED: Final[Mapping[str, str]] = {
    "iperf3": "iperf3",
    "socat": "socat",
    "sh": "dash",
    "sockperf": "sockperf",
    "ip": "iproute2",
    "taskset": "util-linux",
    "timeout": "coreutils",
    "date": "coreutils",
    "sleep": "coreutils",
    "cat": "coreutils",
    "dd": "coreutils",
    "head": "coreutils",
    "readlink": "coreutils",
    "kill": "procps",
    "pgrep": "procps",
    "pkill": "procps",
}
"""Tools that every endpoint needs, with the Debian package that holds each."""
OPTIONAL: Final = ("ethtool", "netperf", "netserver")
"""Tools that show or measure more where they are there."""
OTHER_WAY: Final = "or name an image that has them: --image REF, or --image build"

_LOADED = re.compile(r"^\s+(?:\S+ => )?(/\S+)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
_MISSING = re.compile(r"^\s+(\S+) => not found", re.MULTILINE)
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DIRECTORIES = ("dev", "etc", "proc", "sys", "tmp")


@dataclass(frozen=True, slots=True)
class Tree:
    """Files of an image by absolute path."""

    files: Mapping[str, bytes]
    links: Mapping[str, str]
    libraries: tuple[str, ...]
    """Directories that hold libraries, sorted."""

    def tar(self) -> bytes:
        """Return an archive that depends on nothing but the content."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(_parents((*self.files, *self.links)) | set(_DIRECTORIES)):
                archive.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
            for path, target in sorted(self.links.items()):
                entry = _entry(path.lstrip("/"), tarfile.SYMTYPE, 0o777)
                entry.linkname = target
                archive.addfile(entry)
            for path, content in sorted(self.files.items()):
                entry = _entry(path.lstrip("/"), tarfile.REGTYPE, 0o755)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _parents(paths: Iterable[str]) -> set[str]:
    return {
        str(parent).lstrip("/")
        for path in paths
        for parent in PurePosixPath(path).parents
        if parent != PurePosixPath("/")
    }


def find_tools() -> dict[str, str]:
    """Return the path of each tool on this host.

    Raises:
        EngineError: some required ones are missing; the hint installs them.
    """
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"
    found = {name: shutil.which(name, path=path) for name in (*REQUIRED, *OPTIONAL)}
    missing = [name for name in REQUIRED if found[name] is None]
    if missing:
        packages = " ".join(dict.fromkeys(REQUIRED[name] for name in missing))
        raise EngineError(
            f"this host lacks {', '.join(missing)}, which the probe image is made from",
            hint=f"install: sudo apt-get install {packages}; {OTHER_WAY}",
        )
    return {name: str(place) for name, place in found.items() if place}


def collect(tools: Mapping[str, str]) -> Tree:
    """Return the tools at their own paths, reachable in /usr/bin, with what they load.

    Raises:
        EngineError: a tool is a script, or a library of it is missing.
    """
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    loaded: set[str] = set()
    for name, place in tools.items():
        real = str(Path(place).resolve())
        if real not in files:
            files[real] = _binary(name, real)
            loaded |= libraries(name, _ldd(real))
        if real != f"/usr/bin/{name}":
            links[f"/usr/bin/{name}"] = real
    loaded |= _loaded_late(loaded)
    files |= {path: Path(path).read_bytes() for path in loaded}
    return Tree(files, links, tuple(sorted({str(Path(path).parent) for path in loaded})))


def _binary(name: str, path: str) -> bytes:
    content = Path(path).read_bytes()
    if not content.startswith(b"\x7fELF"):
        raise EngineError(
            f"{name} ({path}) is a script here, which cannot be copied into an image",
            hint=f"install the binary; {OTHER_WAY}",
        )
    return content


def _ldd(path: str) -> str:
    """Return what `ldd` prints; for a static binary that names no file."""
    try:
        done = subprocess.run(
            ("ldd", path), capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"cannot run ldd: {error}", hint=f"install ldd; {OTHER_WAY}") from error
    return done.stdout


def libraries(name: str, printed: str) -> set[str]:
    """Return the files in the output of `ldd`, by the path at which they are asked for.

    Raises:
        EngineError: one is not found.
    """
    if missing := _MISSING.findall(printed):
        raise EngineError(
            f"{name} cannot run on this host: {', '.join(missing)} not found",
            hint=f"install the libraries; {OTHER_WAY}",
        )
    return {os.path.normpath(path) for path in _LOADED.findall(printed)}


def _loaded_late(loaded: set[str]) -> set[str]:
    """Return libgcc, which glibc opens when a thread is cancelled and `ldd` does not show."""
    folders = {Path(path).parent for path in loaded if Path(path).name == "libc.so.6"}
    return {str(p) for folder in folders if (p := folder / "libgcc_s.so.1").exists()}
