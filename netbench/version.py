"""Which netbench this is: what was built, or of a checkout what git says now."""

from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_UNKNOWN = "0+unknown"


@cache
def version() -> str:
    """Return the version as PEP 440 has it; a checkout's names its commit, and `.dirty` changes."""
    if (_ROOT / ".git").exists():
        return described(_ROOT) or _UNKNOWN
    from importlib import metadata  # noqa: PLC0415 -- slow to import, as is the next

    try:
        return metadata.version("netbench")
    except metadata.PackageNotFoundError:
        return _UNKNOWN


def described(checkout: Path) -> str | None:
    """Return a checkout's tag and what came after it; None if git cannot say.

    A shallow clone, or one without tags, still gives its commit: `0+unknown.g1a2b3c4`.
    """
    import subprocess  # noqa: PLC0415

    options = ("--tags", "--long", "--always", "--dirty=.dirty", "--match=v[0-9]*")
    argv = ("git", "--no-optional-locks", "describe", *options)
    try:
        done = subprocess.run(
            argv, cwd=checkout, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    tag, _, rest = done.stdout.strip().removeprefix("v").rpartition("-g")
    if not tag:
        return f"{_UNKNOWN}.g{rest}"
    release, _, since = tag.rpartition("-")
    return release if since == "0" and "." not in rest else f"{release}+g{rest}"
