"""What each command takes and says of itself, one file a command; `COMMANDS` has them in order.

Each imports what it needs when it runs, so that `netbench --help` is instant.
"""

from collections.abc import Callable
from typing import Final

from netbench.cli.commands.clean import clean
from netbench.cli.commands.compare import compare
from netbench.cli.commands.doctor import doctor
from netbench.cli.commands.drivers import drivers
from netbench.cli.commands.export import export
from netbench.cli.commands.inspect import inspect
from netbench.cli.commands.report import report
from netbench.cli.commands.run import run
from netbench.cli.commands.runs import runs
from netbench.cli.commands.verify import verify
from netbench.cli.commands.version import version

COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    run,
    report,
    export,
    compare,
    verify,
    inspect,
    drivers,
    doctor,
    runs,
    clean,
    version,
)
