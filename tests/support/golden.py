"""The golden files as what an engine hands to a probe."""

import json
from dataclasses import dataclass
from pathlib import Path

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
