"""Which engine serves a run (DESIGN: docker where it answers, else netns, and it says so)."""

from netbench.engines.base import Engine, EngineOptions
from netbench.errors import ConfigurationError, EngineUnavailable

NO_WISHES = EngineOptions()
_DOCTOR = "`netbench doctor` shows what is missing and the commands that fix it"


def open_engine(kind: str, run: str, wishes: EngineOptions = NO_WISHES) -> Engine:
    """Return an engine, ready to be prepared.

    For netns as an ordinary user this starts the program again in a user namespace of its own,
    so nothing may have been created before.

    Args:
        kind: `auto`, `docker` or `netns`.
        run: id of the run, for labels.
        wishes: of the user.

    Raises:
        EngineUnavailable: none can be used; with every reason.
        ConfigurationError: the user wishes what the engine cannot do.
    """
    if kind == "netns":
        return _netns(run, wishes, "asked for")
    wanted = kind == "docker" or wishes.context is not None
    try:
        return _docker(run, wishes, "asked for" if wanted else "docker answers")
    except EngineUnavailable as exc:
        if wanted:
            raise
        docker = exc
    try:
        return _netns(run, wishes, f"docker cannot be used: {docker.message}")
    except EngineUnavailable as exc:
        both = f"no engine can be used. docker: {docker.message}. netns: {exc.message}"
        raise EngineUnavailable(both, hint=_DOCTOR) from exc


def _docker(run: str, wishes: EngineOptions, why: str) -> Engine:
    from netbench.engines.docker import open_docker  # noqa: PLC0415 -- the SDK is slow to import

    engine = open_docker(run, wishes)
    engine.why = f"{why}; {engine.why}" if engine.why else why
    return engine


def _netns(run: str, wishes: EngineOptions, why: str) -> Engine:
    from netbench.engines.netns.confinement import (  # noqa: PLC0415 -- only where it is wanted
        reexec_in_user_namespace,
        unavailable,
    )

    given = {"--parent": wishes.parent, "--context": wishes.context}
    options = [option for option, value in given.items() if value is not None]
    if options:
        raise ConfigurationError(
            *(f"{one} needs the docker engine: netns builds a world of its own" for one in options),
            hint=f"leave {' and '.join(options)} out, or use --engine docker",
        )
    reason = unavailable()
    if reason:
        raise EngineUnavailable(f"namespaces cannot be made: {reason}", hint=_DOCTOR)
    reexec_in_user_namespace()
    from netbench.engines.netns.engine import NetnsEngine  # noqa: PLC0415 -- pyroute2 is slow

    return NetnsEngine(run, why)
