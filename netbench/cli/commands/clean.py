"""`netbench clean`: what carries our label, listed, then removed. Nothing else is touched."""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from netbench.cli import commands as shared
from netbench.cli.output import print_json, printable, say
from netbench.documents import CleanDocument, CleanRow
from netbench.engines.base import Engine, EngineOptions, Owned
from netbench.engines.docker import open_docker
from netbench.engines.folders import leftover_folders, remove_leftover_folder
from netbench.engines.netns.groups import (
    end_owned_process,
    leftover_groups,
    owned_processes,
    remove_leftover_group,
)
from netbench.errors import EngineError, EngineLost, EngineUnavailable

_ORDER = (
    *("process", "cgroup", "container", "network", "bridge"),
    *("rules", "swarm", "folder", "image"),
)
"""Processes before their cgroups, endpoints before their networks, a swarm after its networks."""
_A_MOMENT = 0.5
"""Seconds after which an engine has made what a netbench that was killed asked it for last."""


def clean(
    context: shared.Context = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Remove probe images too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a netbench that still runs has made.")
    ] = False,
    as_json: shared.Json = False,
) -> int:
    """List, then remove, what netbench left: only what carries its label.

    What a netbench that still runs has made, and the cached probe images, stay.
    """
    # Before the engine is opened, which may take a folder of its own.
    found = _of_this_machine()
    engine = _engine(context)
    one = partial(_clean, engine, dry_run=dry_run, images=images, force=force)
    try:
        found += engine.owned() if engine else ()
        rows = _in_order(found, one)
        if not dry_run and any(row.action not in ("in use", "kept") for row in rows.values()):
            # Once more: an engine may just be removing, or making, something by itself.
            time.sleep(_A_MOMENT)
            failed = [thing for thing in found if _failed(rows[thing.kind, thing.id])]
            # What lives and was not there before is the folder of the engine opened here.
            here = (x for x in _of_this_machine() if not x.live or (x.kind, x.id) in rows)
            again = _in_order([*failed, *here, *(engine.owned() if engine else ())], one)
            rows = {key: row for key, row in rows.items() if key not in again} | again
    finally:
        if engine:
            engine.close()
    _show([*rows.values()], as_json=as_json)
    return 3 if any(map(_failed, rows.values())) else 0


def _of_this_machine() -> list[Owned]:
    return [*owned_processes(None), *leftover_folders(None), *leftover_groups(None)]


def _engine(context: str | None) -> Engine | None:
    """Return docker, None where it cannot be used and no context was named."""
    try:
        return open_docker(f"clean{secrets.token_hex(3)}", EngineOptions(context=context))
    except EngineUnavailable as exc:
        if context is not None:
            raise
        say(f"docker: {exc.message}; only processes and folders are looked for")
        return None


def _show(rows: list[CleanRow], *, as_json: bool) -> None:
    if as_json:
        print_json(CleanDocument(1, rows))
        return
    for row in rows:
        print(printable(f"{row.action:<9} {row.kind:<9} {row.name}  run {row.run or '-'}"))
    say(f"{len(rows)} found" if rows else "nothing of netbench's is left")


def _in_order(
    found: Iterable[Owned], clean_one: Callable[[Owned], CleanRow]
) -> dict[tuple[str, str], CleanRow]:
    """Clean one thing after the other, each once, known by its kind and id."""
    things = {(thing.kind, thing.id): thing for thing in found}
    ordered = sorted(things.values(), key=lambda thing: _ORDER.index(thing.kind))
    return {(thing.kind, thing.id): clean_one(thing) for thing in ordered}


def _failed(row: CleanRow) -> bool:
    return row.action.startswith("failed")


def _clean(
    engine: Engine | None, thing: Owned, *, dry_run: bool, images: bool, force: bool
) -> CleanRow:
    if thing.live and not force:
        action = "in use"
    elif thing.kind == "image" and not images:
        action = "kept"
    else:
        action = "would go" if dry_run else _remove(engine, thing)
    return CleanRow(action=action, **asdict(thing))


def _remove(engine: Engine | None, thing: Owned) -> str:
    own: dict[str, Callable[[Owned], None]] = {
        "process": end_owned_process,
        "folder": remove_leftover_folder,
        "cgroup": remove_leftover_group,
    }
    remove = own.get(thing.kind) or (engine.remove_owned if engine else None)
    if remove is None:
        return "failed: no engine"
    try:
        remove(thing)
    except (EngineError, EngineLost, OSError) as exc:
        return f"failed: {exc}"
    return "removed"
