"""netbench: which container network driver should this service use, and what does it cost?"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netbench.api import Run, load, measure, resume

__all__ = ["Run", "load", "measure", "resume"]


def __getattr__(name: str) -> object:
    """Import the API when it is used: `import netbench` is instant."""
    if name not in __all__:
        raise AttributeError(f"module 'netbench' has no attribute {name!r}")
    from netbench import api  # noqa: PLC0415

    return getattr(api, name)
