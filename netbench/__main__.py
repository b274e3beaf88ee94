"""The one place where an error becomes an exit code."""

import gc

# What modules bring at import lives to the end: looking for garbage among it, now, later and at
# exit, is a sixth of the time of `--help`.
gc.disable()

import os  # noqa: E402 -- after the above
import sys  # noqa: E402 -- same

try:
    from netbench.cli import ignore_signals, raise_again, run_command_line
    from netbench.errors import Interrupted
except KeyboardInterrupt:  # nothing is made yet, and no signal is handled
    sys.exit(130)

gc.freeze()
gc.enable()


def main() -> None:
    """Run the command line and exit."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed: the next file that is opened would be written to
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    sys.unraisablehook = raise_again
    try:
        code = run_command_line(sys.argv[1:])
    except Interrupted as exc:  # another signal, while the first one was reported
        code = exc.exit_code
    ignore_signals()
    sys.exit(code)


if __name__ == "__main__":
    main()
