"""`netbench clean`: what carries our label, listed, then removed. Nothing else is touched."""

import secrets

from netbench.cli.output import print_json, say
from netbench.engines.base import Engine, Owned
from netbench.engines.docker import open_docker
from netbench.engines.netns.cni_store import leftover_folders, remove_leftover_folder
from netbench.engines.netns.groups import leftover_groups, remove_leftover_group
from netbench.engines.netns.leftovers import end_owned_process, owned_processes
from netbench.errors import EngineError, EngineUnavailable

_ORDER = ("process", "cgroup", "container", "network", "swarm", "folder", "image")
"""Processes before their cgroups, endpoints before their networks, a swarm after its networks."""


def clean_up(*, dry_run: bool, images: bool, force: bool, as_json: bool) -> int:
    """List what is left of earlier runs and remove it; 3 where something could not be removed.

    What a netbench that still runs has made is listed and left, unless `force`; probe images are
    a cache and stay, unless `images`.
    """
    try:
        engine: Engine | None = open_docker(f"clean{secrets.token_hex(3)}")
    except EngineUnavailable as exc:
        say(f"docker: {exc.message}; only processes and folders are looked for")
        engine = None
    try:
        found = [*owned_processes(None), *leftover_folders(None), *leftover_groups(None)]
        found += engine.owned() if engine else ()
        found.sort(key=lambda thing: _ORDER.index(thing.kind))
        rows = [_clean(engine, thing, dry_run, images, force) for thing in found]
    finally:
        if engine:
            engine.close()
    if as_json:
        print_json({"schema": 1, "clean": rows})
    else:
        for row in rows:
            print(f"{row['action']:<9} {row['kind']:<9} {row['name']}  run {row['run'] or '-'}")
        say(f"{len(rows)} found" if rows else "nothing of netbench's is left")
    return 3 if any(str(row["action"]).startswith("failed") for row in rows) else 0


def _clean(
    engine: Engine | None, thing: Owned, dry_run: bool, images: bool, force: bool
) -> dict[str, object]:
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
