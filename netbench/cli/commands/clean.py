"""`netbench clean`: what carries our label, listed, then removed. Nothing else is touched."""

import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

import typer

from netbench.cli.commands.options import Context, Json
from netbench.cli.output import print_json, printable, say
from netbench.documents.lists import CleanDocument, CleanRow
from netbench.engines.base import Engine, EngineOptions, Owned
from netbench.engines.docker import open_docker
from netbench.engines.folders import leftover_folders, remove_leftover_folder
from netbench.engines.netns.groups import (
    end_owned_process,
    leftover_groups,
    owned_processes,
    remove_leftover_group,
)
from netbench.errors import ENGINE_FAILURES, EngineUnavailable

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


def clean_up(
    options: EngineOptions, *, dry_run: bool, images: bool, force: bool, as_json: bool
) -> int:
    """List what is left of earlier runs and remove it; 3 where something could not be removed.

    What a netbench that still runs has made is listed and left, unless `force`; probe images are
    a cache and stay, unless `images`. `options` may name the docker engine's context. Where
    there was something to remove, all is looked at once more a moment later, and what could not
    be removed is tried again: an engine may just be removing it by itself.

    Raises:
        EngineUnavailable: the engine of a context that was named cannot be used.
    """
    # Before the engine is opened, which may take a folder of its own.
    found = _of_this_machine()
    try:
        engine: Engine | None = open_docker(f"clean{secrets.token_hex(3)}", options)
    except EngineUnavailable as exc:
        if options.context is not None:
            raise
        say(f"docker: {exc.message}; only processes and folders are looked for")
        engine = None

    clean = partial(_clean, engine, dry_run=dry_run, images=images, force=force)
    try:
        found += engine.owned() if engine else ()
        rows = _in_order(found, clean)
        if not dry_run and any(row["action"] not in ("in use", "kept") for row in rows.values()):
            time.sleep(_A_MOMENT)
            failed = [thing for thing in found if _failed(rows[thing.kind, thing.id])]
            # What lives and was not there before is the folder of the engine opened here.
            here = (x for x in _of_this_machine() if not x.live or (x.kind, x.id) in rows)
            again = _in_order([*failed, *here, *(engine.owned() if engine else ())], clean)
            rows = {key: row for key, row in rows.items() if key not in again} | again
    finally:
        if engine:
            engine.close()
    _tell([*rows.values()], as_json)
    return 3 if any(map(_failed, rows.values())) else 0


def _of_this_machine() -> list[Owned]:
    return [*owned_processes(None), *leftover_folders(None), *leftover_groups(None)]


def _tell(rows: list[CleanRow], as_json: bool) -> None:
    if as_json:
        print_json(CleanDocument(schema=1, clean=rows))
        return
    for row in rows:
        line = f"{row['action']:<9} {row['kind']:<9} {row['name']}  run {row['run'] or '-'}"
        print(printable(line))
    say(f"{len(rows)} found" if rows else "nothing of netbench's is left")


def _in_order(
    found: Iterable[Owned], clean: Callable[[Owned], CleanRow]
) -> dict[tuple[str, str], CleanRow]:
    """Clean one thing after the other, each once, known by its kind and id."""
    things = {(thing.kind, thing.id): thing for thing in found}
    ordered = sorted(things.values(), key=lambda thing: _ORDER.index(thing.kind))
    return {(thing.kind, thing.id): clean(thing) for thing in ordered}


def _failed(row: CleanRow) -> bool:
    return row["action"].startswith("failed")


def _clean(
    engine: Engine | None, thing: Owned, *, dry_run: bool, images: bool, force: bool
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
    except ENGINE_FAILURES as exc:
        return f"failed: {exc.message}"
    return "removed"


def _remove_folder(thing: Owned) -> str:
    try:
        remove_leftover_folder(thing)
    except OSError as exc:
        return f"failed: {exc}"
    return "removed"


def clean(
    context: Context = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Remove probe images too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a netbench that still runs has made.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List, then remove, what netbench left: only what carries its label.

    What a netbench that still runs has made, and the cached probe images, stay.
    """
    options = EngineOptions(context=context)
    raise typer.Exit(
        clean_up(options, dry_run=dry_run, images=images, force=force, as_json=as_json)
    )
