"""What carries netbench's label, found and removed. Nothing else is touched."""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial

from netbench.documents import CleanRow
from netbench.engines.base import Engine, EngineOptions, Owned
from netbench.engines.docker import open_docker
from netbench.engines.owner import LOCAL_KINDS, leftovers, remove_leftover
from netbench.errors import EngineError, EngineLost, EngineUnavailable
from netbench.workflow.options import Observer

_ORDER = (
    *("process", "cgroup", "container", "network", "bridge"),
    *("rules", "swarm", "folder", "image"),
)
"""Processes before their cgroups, endpoints before their networks, a swarm after its networks."""
_IN_USE = "in use"
_A_MOMENT = 0.5  # seconds after which an engine has made what it was asked for last


def clean_up(
    context: str | None, observer: Observer, *, dry_run: bool, images: bool, force: bool
) -> list[CleanRow]:
    """List what is left of earlier runs, and remove it unless `dry_run`.

    What a netbench that still runs has made is left, unless `force`; probe images are a cache and
    stay, unless `images`. EngineUnavailable if the engine of a named context cannot be used.
    """
    # Before the engine is opened, which may take a folder of its own.
    found = [*leftovers(None)]
    engine = _engine(context, observer)
    one = partial(_clean, engine, dry_run=dry_run, images=images, force=force)
    try:
        found += engine.owned() if engine else ()
        rows = _in_order(found, one)
        if not dry_run and any(row.action not in (_IN_USE, "kept") for row in rows.values()):
            # Once more: an engine may just be removing, or making, something by itself.
            time.sleep(_A_MOMENT)
            failed = [
                thing for thing in found if rows[thing.kind, thing.id].action.startswith("failed")
            ]
            # What lives and was not there before is the folder of the engine opened here.
            here = (x for x in leftovers(None) if not x.live or (x.kind, x.id) in rows)
            again = _in_order([*failed, *here, *(engine.owned() if engine else ())], one)
            rows = {key: row for key, row in rows.items() if key not in again} | again
    finally:
        if engine:
            engine.close()
    return [*rows.values()]


def used_by_others(rows: Iterable[CleanRow]) -> str | None:
    """Return in words what stays because a netbench still uses it; None if nothing does."""
    used = [row for row in rows if row.action == _IN_USE]
    if not used:
        return None
    runs = ", ".join(sorted({row.run for row in used if row.run})) or "of no name"
    return (
        f"{len(used)} left: in use by a netbench that still runs, or that cannot be seen from here "
        f"(run {runs}); `netbench clean --force` removes them too"
    )


def _engine(context: str | None, observer: Observer) -> Engine | None:
    """Return docker, None if it cannot be used and no context was named."""
    try:
        return open_docker(f"clean{secrets.token_hex(3)}", EngineOptions(context=context))
    except EngineUnavailable as exc:
        if context is not None:
            raise
        observer.say(f"docker: {exc.message}; only processes and folders are looked for")
        return None


def _in_order(
    found: Iterable[Owned], clean_one: Callable[[Owned], CleanRow]
) -> dict[tuple[str, str], CleanRow]:
    """Clean one thing after the other, each once, known by its kind and id."""
    things = {(thing.kind, thing.id): thing for thing in found}
    ordered = sorted(things.values(), key=lambda thing: _ORDER.index(thing.kind))
    return {(thing.kind, thing.id): clean_one(thing) for thing in ordered}


def _clean(
    engine: Engine | None, thing: Owned, *, dry_run: bool, images: bool, force: bool
) -> CleanRow:
    if thing.live and not force:
        action = _IN_USE
    elif thing.kind == "image" and not images:
        action = "kept"
    else:
        action = "would go" if dry_run else _remove(engine, thing)
    return CleanRow(action=action, **asdict(thing))


def _remove(engine: Engine | None, thing: Owned) -> str:
    if thing.kind in LOCAL_KINDS:
        remove = remove_leftover
    elif engine:
        remove = engine.remove_owned
    else:
        return "failed: no engine"
    try:
        remove(thing)
    except (EngineError, EngineLost, OSError) as exc:
        return f"failed: {exc}"
    return "removed"
