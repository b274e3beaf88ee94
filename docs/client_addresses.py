"""Keep of a `verify --json` document what docs/choose.md shows of it: client_addresses.json.

netbench verify --engine docker --init-swarm --json >verified.json
python docs/client_addresses.py verified.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from netbench.verify.clients import PATHS

FILE = Path(__file__).with_suffix(".json")


def kept(document: Any) -> dict[str, Any]:
    """Return whose address the server saw on each path of a service, by driver."""
    seen: dict[str, dict[str, dict[str, str]]] = {}
    paths = {(source.value, target.value) for source, target in PATHS}
    for row in document["rows"]:
        if row["client_is"] and (row["from"], row["to"]) in paths:
            path = f"{row['from']} to {row['to']}"
            kind = f"{row['protocol']}{row['family']}"
            seen.setdefault(row["driver"], {}).setdefault(path, {})[kind] = row["client_is"]
    return {"engine": f"{document['engine']} {document['engine_version']}", "seen": seen}


def differences(document: Any) -> list[str]:
    """Return the drivers, of those in both, whose servers saw others than the file says."""
    now, then = kept(document)["seen"], json.loads(FILE.read_text())["seen"]
    return [driver for driver in then if driver in now and now[driver] != then[driver]]


def main() -> None:
    """Write the file, or with `--check` only tell what differs."""
    *option, name = sys.argv[1:]
    document = json.loads(Path(name).read_text())
    if option == ["--check"]:
        sys.exit(f"differs: {', '.join(found)}" if (found := differences(document)) else 0)
    FILE.write_text(json.dumps(kept(document), indent=1) + "\n")


if __name__ == "__main__":
    main()
