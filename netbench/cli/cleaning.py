"""`netbench clean`: what carries our label, listed, then removed. Nothing else is touched."""

import secrets
import time
from collections.abc import Iterable

from netbench.cli.output import print_json, printable, say
from netbench.documents.lists import CleanDocument, CleanRow
from netbench.engines.base import Engine, Owned, Wishes
from netbench.engines.docker import open_docker
from netbench.engines.folders import leftover_folders, remove_leftover_folder
from netbench.engines.netns.groups import leftover_groups, remove_leftover_group
from netbench.engines.netns.leftovers import end_owned_process, owned_processes
from netbench.errors import EngineError, EngineUnavailable

_ORDER = (
    "process",
    "cgroup",
    "container",
    "network",
    "bridge",
    "rules",
    "swarm",
    "folder",
    "image",
)
"""Processes before their cgroups, endpoints before their networks, a swarm after its networks."""
_A_MOMENT = 0.5
"""Seconds after which an engine has made what a netbench that was killed asked it for last."""


def clean_up(wishes: Wishes, *, dry_run: bool, images: bool, force: bool, as_json: bool) -> int:
    """List what is left of earlier runs and remove it; 3 where something could not be removed.

    What a netbench that still runs has made is listed and left, unless `force`; probe images are
    a cache and stay, unless `images`. `wishes` may name the docker engine's context. Where
    there was something to remove, the engine is looked at once more a moment later.

    Raises:
        EngineUnavailable: the engine of a context that was named cannot be used.
    """
    # Before the engine is opened, which may take a folder of its own.
    found = [*owned_processes(None), *leftover_folders(None), *leftover_groups(None)]
    try:
        engine: Engine | None = open_docker(f"clean{secrets.token_hex(3)}", wishes)
    except EngineUnavailable as exc:
        if wishes.context is not None:
            raise
        say(f"docker: {exc.message}; only processes and folders are looked for")
        engine = None

    def look(found: Iterable[Owned]) -> list[CleanRow]:
        ordered = sorted(found, key=lambda thing: _ORDER.index(thing.kind))
        return [_clean(engine, thing, dry_run, images, force) for thing in ordered]

    try:
        rows = look([*found, *(engine.owned() if engine else ())])
        if engine and not dry_run and any(row["action"] not in ("in use", "kept") for row in rows):
            time.sleep(_A_MOMENT)
            again = look(engine.owned())
            later = {row["id"] for row in again}
            rows = [*(row for row in rows if row["id"] not in later), *again]
    finally:
        if engine:
            engine.close()
    if as_json:
        print_json(CleanDocument(schema=1, clean=rows))
    else:
        for row in rows:
            line = f"{row['action']:<9} {row['kind']:<9} {row['name']}  run {row['run'] or '-'}"
            print(printable(line))
        say(f"{len(rows)} found" if rows else "nothing of netbench's is left")
    return 3 if any(row["action"].startswith("failed") for row in rows) else 0


def _clean(
    engine: Engine | None, thing: Owned, dry_run: bool, images: bool, force: bool
) -> CleanRow:
    if thing.live and not force:
        action = "in use"
    elif thing.kind == "image" and not images:
        action = "kept"
    elif dry_run:
        action = "would go"
    else:
        action = _remove(engine, thing)
    return {
        "kind": thing.kind,
        "id": thing.id,
        "name": thing.name,
        "run": thing.run,
        "live": thing.live,
        "action": action,
    }


def _remove(engine: Engine | None, thing: Owned) -> str:
    if thing.kind == "process":
        end_owned_process(thing)
        return "removed"
    if thing.kind == "folder":
        return _remove_folder(thing)
    if engine is None and thing.kind != "cgroup":
        return "failed: no engine"
    remove = engine.remove_owned if engine and thing.kind != "cgroup" else remove_leftover_group
    try:
        remove(thing)
    except EngineError as exc:
        return f"failed: {exc.message}"
    return "removed"


def _remove_folder(thing: Owned) -> str:
    try:
        remove_leftover_folder(thing)
    except OSError as exc:
        return f"failed: {exc}"
    return "removed"
