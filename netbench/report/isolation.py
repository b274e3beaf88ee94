"""What separates a driver's ends, as the facts that were read tell it."""

from typing import Final

from netbench.analysis.digest_model import DriverView
from netbench.report.labels import joined
from netbench.report.sharing import namespace_rows, network_isolation

NOTHING: Final = "nothing gets across"
LEVELS: Final = (
    NOTHING,
    "own network namespace",
    "one network namespace for the pair",
    "host's network namespace",
    "network namespace not read",
)
"""What separates a driver's ends, the most first."""


def level(view: DriverView | None, path: str) -> str:
    """Return which of `LEVELS` a driver has on one path."""
    closed = view is not None and any(
        way.path == path and way.closed is not None for way in view.ways
    )
    return NOTHING if closed else network_isolation(view)


def namespaces(view: DriverView | None) -> str:
    """Return which namespaces the server's end has of its own, and which it shares."""
    endpoints = view.example.endpoints if view and view.example else ()
    rows = namespace_rows(endpoints)
    if not rows:
        return "not read"
    own = [row.kind for row in rows if row.server.sharing == "own"]
    shared = [row.kind for row in rows if row.server.sharing in {"host", "pair"}]
    return f"{len(own)} of {len(rows)}: {joined(own) or 'none'}; shared: {joined(shared) or 'none'}"
