"""`netbench drivers` and its options."""

import typer

from netbench.cli.commands.options import Context, EngineName, Json


def drivers(engine: EngineName = "auto", context: Context = None, as_json: Json = False) -> None:
    """List the drivers: which can run here, and why not.

    It finds out by trying, and removes what it makes.
    """
    from netbench.cli.listing import list_drivers
    from netbench.engines.base import EngineOptions

    raise typer.Exit(list_drivers(engine, EngineOptions(context=context), as_json=as_json))
