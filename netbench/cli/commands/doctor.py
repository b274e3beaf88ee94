"""`netbench doctor` and its options."""

import typer

from netbench.cli.commands.options import Context, Json


def doctor(context: Context = None, as_json: Json = False) -> None:
    """Check everything that is needed; say what is missing and the command that fixes it.

    Exit code 4 if nothing can be measured.
    """
    from netbench.cli.doctor import examine
    from netbench.engines.base import EngineOptions

    raise typer.Exit(examine(EngineOptions(context=context), as_json=as_json))
