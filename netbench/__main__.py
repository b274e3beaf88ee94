"""The one place where an error becomes an exit code."""

import gc

gc.disable()  # nothing becomes garbage while modules load; looking for it is 6 % of `--help`

import sys  # noqa: E402 -- after the above

from netbench.cli import run_command_line  # noqa: E402 -- after the above

gc.enable()


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
