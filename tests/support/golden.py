"""The golden files as what an engine hands to a probe."""

import json
import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netbench.probes import PROBES, Count, Session, Sliced, Window
from netbench.record import Completed

FOLDER = Path(__file__).parent.parent / "golden"


@dataclass(frozen=True, slots=True)
class Case:
    version: str
    name: str
    completed: Completed

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"


def cases(tool: str) -> tuple[Case, ...]:
    """Return every captured case of a tool, by version and name."""
    found = []
    for index in sorted((FOLDER / tool).glob("*/cases.json")):
        for name, entry in json.loads(index.read_text()).items():
            (file,) = index.parent.glob(f"{name}.*")
            completed = Completed(
                argv=tuple(entry["argv"]),
                exit_code=entry["exit_code"],
                stdout=file.read_text(),
                stderr=entry["stderr"],
                timed_out=False,
                seconds=1.5,
            )
            found.append(Case(index.parent.name, name, completed))
    return tuple(found)


def case(tool: str, version: str, name: str) -> Completed:
    """Return one case."""
    return next(
        case.completed for case in cases(tool) if (case.version, case.name) == (version, name)
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A captured session: what both ends left, and how its slices were timed."""

    name: str
    probe: Sliced
    client: Completed
    server: Completed | None
    windows: tuple[Window, ...]

    def __str__(self) -> str:
        return self.name

    def read(self) -> Session:
        """Return what its probe reads of it."""
        return self.probe.read_session(self.client, self.server, self.windows)


@cache
def held(name: str) -> Held:
    """Return one captured session."""
    (folder,) = FOLDER.glob(f"sessions/*/{name}")
    told = json.loads((folder / "session.json").read_text())
    probe = PROBES[told["probe"]](**told["parameters"])
    assert isinstance(probe, Sliced)
    return Held(
        name,
        probe,
        _completed(folder, "client", told["client"]),
        _completed(folder, "server", told["server"]) if "server" in told else None,
        tuple(_window(one) for one in told["windows"]),
    )


def _completed(folder: Path, role: str, told: dict[str, Any]) -> Completed:
    out, err = (_text(folder / f"{role}.{suffix}") for suffix in ("txt", "err"))
    code = told["exit_code"]
    return Completed(tuple(told["argv"]), code, out, err, timed_out=False, seconds=1.5)


def _text(path: Path) -> str:
    packed = path.with_name(f"{path.name}.xz")
    return lzma.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()


def _window(told: dict[str, Any]) -> Window:
    counts = told.pop("counts")
    edges = tuple(Count(**one) for one in counts) if counts else None
    return Window(**told, counts=edges)  # type: ignore[arg-type] # always two
