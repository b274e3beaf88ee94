"""The one place where an error becomes an exit code."""

import sys

from netbench.cli import run_command_line


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
