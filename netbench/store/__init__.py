"""The run folder, written and read back."""

from netbench.store.reading import (
    RECORDS,
    RUN,
    SUMMARY,
    ListedRun,
    LoadedRun,
    list_runs,
    load,
)
from netbench.store.text import json_text
from netbench.store.writing import RAW, RunFolder, check_writable, write_whole

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
