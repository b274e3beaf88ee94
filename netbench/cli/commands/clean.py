"""`netbench clean` and its options."""

from typing import Annotated

import typer

from netbench.cli.commands.options import Context, Json


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
    from netbench.cli.cleaning import clean_up
    from netbench.engines.base import EngineOptions

    wishes = EngineOptions(context=context)
    raise typer.Exit(clean_up(wishes, dry_run=dry_run, images=images, force=force, as_json=as_json))
