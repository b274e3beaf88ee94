"""JSON Schemas of every `--json` document and of the run folder, made from the types.

`python -m netbench.documents.schemas` writes them anew.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from msgspec.json import schema_components

from netbench import documents
from netbench.documents.inspect_verify import InspectDocument, VerifyDocument
from netbench.documents.run import CompareDocument, RunDocument
from netbench.documents.trend import TrendDocument
from netbench.record import SCHEMA, Record, RunInfo

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = Path(__file__).parent.parent / "schemas"
DOCUMENTS: Final[dict[str, type]] = {
    "clean": documents.CleanDocument,
    "compare": CompareDocument,
    "doctor": documents.DoctorDocument,
    "drivers": documents.DriversDocument,
    "error": documents.ErrorDocument,
    "inspect": InspectDocument,
    "record": Record,
    "run": RunDocument,
    "run-folder": RunInfo,
    "runs": documents.RunsDocument,
    "trend": TrendDocument,
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
    """Return the version that a document states, else that of the run folder."""
    stated = get_type_hints(kind).get("schema")
    return int(get_args(stated)[0]) if get_origin(stated) is Literal else SCHEMA


def _schema(name: str, kind: type) -> str:
    (root,), parts = schema_components([kind], ref_template="#/$defs/{name}")
    for source in _classes(kind):
        properties = parts.get(source.__name__, {}).get("properties", {})
        for field, text in _field_texts(source):
            if field in properties:
                properties[field] = {**properties[field], "description": text}
    version = _version(kind)
    content = {
        "$schema": DIALECT,
        "$id": f"urn:netbench:schema:{version}:{name}",
        **parts.pop(root["$ref"].rpartition("/")[2]),
        "title": f"netbench {name}, schema {version}",
        "$defs": parts,
    }
    return json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False) + "\n"


def _classes(kind: type) -> set[type]:
    """Return every class of netbench's that a type is made of."""
    found: set[type] = set()
    waiting: list[Any] = [kind]
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if inspect.isclass(one) and one.__module__.startswith("netbench") and one not in found:
            found.add(one)
            waiting += get_type_hints(one).values()
    return found


def _field_texts(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the fields of a class that have a docstring below them, or a note beside, with it."""
    text = inspect.getsource(kind)
    (source,), lines = ast.parse(text).body, text.splitlines()
    body = source.body if isinstance(source, ast.ClassDef) else []
    for field, below in zip_longest(body, body[1:]):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        note = lines[(field.end_lineno or 0) - 1][field.end_col_offset :].lstrip(" #")
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            yield field.target.id, inspect.cleandoc(str(below.value.value))
        elif note:
            yield field.target.id, f"{note[0].upper()}{note[1:]}."


if __name__ == "__main__":
    write()
