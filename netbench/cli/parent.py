"""`--parent`: the link that the user names, looked at before anything is put beneath it."""

import os
from dataclasses import replace

from netbench.engines.base import Engine
from netbench.errors import ConfigurationError, FactError
from netbench.facts.base import Pair
from netbench.record import EndpointFacts
from netbench.spec import Role
from netbench.topology import choose_reader, parent_problems, subject


def check_parent(engine: Engine, name: str | None, *, in_use: bool) -> None:
    """Refuse a parent that cannot serve, or should not; quietly nothing where none is named.

    The engine is prepared by then: the link is its host's, which may be another machine than ours.

    Raises:
        ConfigurationError: with everything that speaks against the link.
        FactError: the host's links cannot be read.
    """
    if name is None:
        return
    login = _login() if engine.local else None
    problems = parent_problems(_host_facts(engine), name, in_use=in_use, login=login)
    if problems:
        raise ConfigurationError(*(f"--parent: {problem}" for problem in problems))


def _host_facts(engine: Engine) -> EndpointFacts:
    """Return the engine's host as a reader sees it: readers read pairs, so it is both ends too."""
    host = subject(engine, engine.host())
    client, server = replace(host, role=Role.CLIENT), replace(host, role=Role.SERVER)
    (facts,) = choose_reader(engine).read([Pair(client, server, host, target=None, ipam=None)])
    if isinstance(facts, FactError):
        raise facts
    return facts.host


def _login() -> str | None:
    """Return the address of this machine by which the user has logged in."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[2] if len(words) == 4 else None  # noqa: PLR2004 -- two addresses, two ports
