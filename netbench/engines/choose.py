"""Which engine serves a run: docker if it answers, else netns, with the reason in `why`."""

from netbench.engines.base import NO_OPTIONS, Engine, EngineOptions
from netbench.errors import ConfigurationError, EngineUnavailable
from netbench.spec import engine_problem

_DOCTOR = "`netbench doctor` shows what is missing and the commands that fix it"


def open_engine(kind: str, run: str, options: EngineOptions = NO_OPTIONS) -> Engine:
    """Return an engine of a kind, `auto`, `docker` or `netns`, for a run's id.

    For netns as an ordinary user this starts the program again in a user namespace, so nothing may
    have been created before. EngineUnavailable with every reason if none can be used;
    ConfigurationError for an unknown kind, or an option that the engine has not.
    """
    if problem := engine_problem(kind):
        raise ConfigurationError(problem)
    if kind == "netns":
        return _netns(run, options, "asked for")
    from netbench.engines.docker import open_docker  # noqa: PLC0415 -- the SDK is slow to import

    if options.peer_context is not None:
        return _of_two(run, options)
    wanted = kind == "docker" or bool(options.given)
    try:
        engine = open_docker(run, options)
    except EngineUnavailable as exc:
        if wanted:
            raise
        try:
            return _netns(run, options, f"docker cannot be used: {exc.message}")
        except EngineUnavailable as other:
            both = f"no engine can be used. docker: {exc.message}. netns: {other.message}"
            raise EngineUnavailable(both, hint=_DOCTOR) from other
    engine.why = f"{'asked for' if wanted else 'docker answers'}; {engine.why}"
    return engine


def _of_two(run: str, options: EngineOptions) -> Engine:
    from netbench.engines.docker.nodes import open_both  # noqa: PLC0415 -- as the engine itself

    engine = open_both(run, options)
    engine.why = f"asked for; {engine.why}"
    return engine


def _netns(run: str, options: EngineOptions, why: str) -> Engine:
    from netbench.engines.netns.spawner import (  # noqa: PLC0415 -- only where it is wanted
        reexec_in_user_namespace,
        unavailable,
    )

    if refused := options.given:
        raise ConfigurationError(
            *(f"{one} needs the docker engine: netns builds a world of its own" for one in refused),
            hint=f"leave {' and '.join(refused)} out, or use --engine docker",
        )
    reason = unavailable()
    if reason:
        raise EngineUnavailable(f"namespaces cannot be made: {reason}", hint=_DOCTOR)
    reexec_in_user_namespace()
    from netbench.engines.netns.engine import NetnsEngine  # noqa: PLC0415 -- pyroute2 is slow

    return NetnsEngine(run, why, keep=options.keep)
