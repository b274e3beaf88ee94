"""What a shell offers for an option's value. Each looks its names up when it is asked for them."""

from collections.abc import Callable, Iterable


def driver_lists(incomplete: str) -> list[str]:
    """Offer drivers for the last place of a comma list."""
    from netbench.drivers import DRIVERS, OPEN  # noqa: PLC0415 -- `--help` needs none

    return _last(incomplete, (*DRIVERS, *OPEN))


def path_lists(incomplete: str) -> list[str]:
    """Offer paths for the last place of a comma list."""
    from netbench.spec import Path  # noqa: PLC0415

    return _last(incomplete, Path)


def suites(incomplete: str) -> list[str]:
    """Offer the shipped suites; the shell itself adds files."""
    from netbench.plan.suite import shipped  # noqa: PLC0415

    return [name for name in shipped() if name.startswith(incomplete)]


def of(*names: str) -> Callable[[str], list[str]]:
    """Return what offers fixed names."""

    def offer(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return offer


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, begun = incomplete.rpartition(",")
    taken = before.split(",")
    offered = (name for name in names if name.startswith(begun) and name not in taken)
    return [f"{before}{comma}{name}" for name in offered]
