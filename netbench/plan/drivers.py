"""Drivers as the user names them: `bridge:user@mtu=9000`, `plugin:weave`, `cni:FILE`."""

from collections.abc import Mapping

from netbench.drivers import DRIVERS, Driver, cni, full_name, plugin, unknown, varied
from netbench.errors import ConfigurationError
from netbench.plan.conflist import load_conflist


def parse_drivers(text: str, problems: list[str]) -> tuple[Driver, ...]:
    """Return the drivers of a comma list, noting what is wrong with it."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        problems.append(f"--drivers is empty; known: {', '.join(DRIVERS)}")
    found: list[Driver] = []
    for name in names:
        try:
            driver = driver_named(name)
        except ConfigurationError as exc:
            problems += [f"--drivers: {problem}" for problem in exc.problems]
            continue
        if driver.name in [known.name for known in found]:
            problems.append(f"--drivers lists {driver.name!r} twice")
        else:
            found.append(driver)
    return tuple(found)


def driver_named(text: str) -> Driver:
    """Return the driver that `NAME[:MODE][@key=value[+key=value]]` names.

    Raises:
        ConfigurationError: with everything that is wrong with it.
    """
    return driver_with(*split_name(text))


def split_name(text: str) -> tuple[str, dict[str, str]]:
    """Return a driver's name and its variant's options, unchecked; errors as `driver_named`."""
    name, at, variant = text.partition("@")
    options: dict[str, str] = {}
    problems = []
    for word in variant.split("+") if at else ():
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not key:
            problems.append(f"{text!r}: options are written key=value, joined by +; not {word!r}")
        elif key in options:
            problems.append(f"{text!r}: option {key!r} stands twice")
        options[key] = value
    if problems:
        raise ConfigurationError(*problems)
    return name.strip(), options


def driver_with(name: str, options: Mapping[str, str]) -> Driver:
    """Return a driver with its variant's options; errors as `driver_named`."""
    start, colon, rest = name.partition(":")
    if start == "plugin" and colon:
        if not rest:
            raise ConfigurationError("plugin: needs the plug-in's name, as in plugin:weave")
        return varied(plugin(rest), options)
    if start == "cni" and colon:
        text, publishes = load_conflist(rest)
        return varied(cni(rest, text, publishes=publishes), options)
    problem = unknown(name)
    if problem:
        raise ConfigurationError(problem)
    return varied(DRIVERS[full_name(name)], options)
