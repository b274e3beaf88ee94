"""netbench: which container network driver should this service use, and what does it cost?"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from netbench.api import Run

__all__ = ["load"]


def load(path: "str | PathLike[str]") -> "Run":
    """Open a run folder: `.frame()`, `.contrasts()` and `.cells()` are pandas frames.

    Raises:
        RunFolderError: missing, empty, not a run, damaged, or written by a newer schema.
    """
    from netbench.api import load as load_run  # noqa: PLC0415 -- `import netbench` is instant

    return load_run(path)
