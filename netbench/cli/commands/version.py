"""`netbench version`."""

import sys


def version() -> None:
    """Print netbench's version."""
    from netbench.version import version as of_this

    sys.stdout.write(f"netbench {of_this()}\n")
