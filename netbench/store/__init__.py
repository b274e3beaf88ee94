"""The run folder, written and read back; and JSON documents as text."""

import json

from msgspec import to_builtins
from msgspec.json import format as indented

from netbench.store.reading import (
    RECORDS,
    RUN,
    SUMMARY,
    ListedRun,
    LoadedRun,
    list_runs,
    load,
)
from netbench.store.writing import RAW, RunFolder, check_writable, write_whole
from netbench.units import escaped

__all__ = [
    "RAW",
    "RECORDS",
    "RUN",
    "SUMMARY",
    "ListedRun",
    "LoadedRun",
    "RunFolder",
    "check_writable",
    "json_text",
    "list_runs",
    "load",
    "write_whole",
]


def json_text(document: object) -> str:
    """Return a JSON document as text without control characters, and without NaN or infinity."""
    plain = to_builtins(document, enc_hook=list)
    line = json.dumps(plain, allow_nan=False, ensure_ascii=False)
    # Half a character, as tools may print it, passes through.
    text = indented(line.encode("utf-8", "surrogatepass"), indent=2)
    shown = escaped(text.decode("utf-8", "surrogatepass"), lambda c: json.dumps(c)[1:-1])
    return f"{shown}\n"
