"""What `--help` prints of a command: its options in groups if there are many, then examples."""

from collections.abc import Mapping
from typing import Any, Final

from typer.core import TyperCommand

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "What to compare": ("drivers", "baseline", "suite", "paths"),
    "How long and how sure": (
        *("blocks", "max_time", "precision", "margin", "require", "allow_undecided", "resume"),
    ),
    "Where it runs": ("engine", "context", "image", "parent", "init_swarm"),
    "Output": ("output", "verbose", "as_json", "quiet", "help"),
    "Expert": ("seed", "pin", "cc", "parent_in_use", "force", "keep", "identify"),
}
"""Options in the order of the help text."""
_MANY: Final = 12  # options from which on they stand in groups


class CommandHelp(TyperCommand):
    """A command whose help has groups, and the examples of its `epilog` line by line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, in groups where there are many."""
        params = {param.name: param for param in self.get_params(ctx)}
        if len(params) < _MANY:
            super().format_options(ctx, formatter)
            return
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([params[name].get_help_record(ctx) for name in names])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        del ctx
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}".rstrip() + "\n")
