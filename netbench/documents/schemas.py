"""JSON Schemas of every `--json` document and of the run folder, made from the types."""

import json
from pathlib import Path
from typing import Final, Literal, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter

from netbench.documents.compare import CompareDocument
from netbench.documents.lists import (
    CleanDocument,
    DoctorDocument,
    DriversDocument,
    ErrorDocument,
    RunsDocument,
)
from netbench.documents.looks import InspectDocument, VerifyDocument
from netbench.documents.run import RunDocument
from netbench.record import SCHEMA, Record, RunInfo

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = Path(__file__).parent.parent / "schemas"
DOCUMENTS: Final[dict[str, type]] = {
    "clean": CleanDocument,
    "compare": CompareDocument,
    "doctor": DoctorDocument,
    "drivers": DriversDocument,
    "error": ErrorDocument,
    "inspect": InspectDocument,
    "record": Record,
    "run": RunDocument,
    "run-folder": RunInfo,
    "runs": RunsDocument,
    "verify": VerifyDocument,
}
"""What each schema describes: `record` a line of records.jsonl, `run-folder` run.json."""


def schemas() -> dict[str, str]:
    """Return the text of each schema's file, by the file's name."""
    return {f"{name}.schema.json": _schema(name, kind) for name, kind in DOCUMENTS.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every schema into a folder."""
    folder.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _version(kind: type) -> int:
    """Return the version that a document tells of itself, else that of the run folder."""
    told = get_type_hints(kind).get("schema")
    return int(get_args(told)[0]) if get_origin(told) is Literal else SCHEMA


def _schema(name: str, kind: type) -> str:
    """Return one schema; the tuple carries the configuration down to every field."""
    adapter: TypeAdapter[object] = TypeAdapter(
        tuple[kind],  # type: ignore[valid-type] # a type that is a value here
        config=ConfigDict(use_attribute_docstrings=True),
    )
    whole = adapter.json_schema()
    parts = whole["$defs"]
    (root,) = whole["prefixItems"]
    version = _version(kind)
    content = {
        "$schema": DIALECT,
        "$id": f"urn:netbench:schema:{version}:{name}",
        **parts.pop(root["$ref"].rpartition("/")[2]),
        "title": f"netbench {name}, schema {version}",
        "$defs": parts,
    }
    return json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False) + "\n"
