"""Which engine serves a run (DESIGN: docker where it answers, else netns, and it says so)."""

from netbench.engines.base import Engine, Wishes
from netbench.errors import ConfigurationError, EngineUnavailable

NO_WISHES = Wishes()
_DOCTOR = "`netbench doctor` shows what is missing and the commands that fix it"


def open_engine(kind: str, run: str, wishes: Wishes = NO_WISHES) -> Engine:
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
    try:
        return _docker(run, wishes, "asked for" if kind == "docker" else "docker answers")
    except EngineUnavailable as exc:
        if kind == "docker":
            raise
        docker = exc
    try:
        return _netns(run, wishes, f"docker cannot be used: {docker.message}")
    except EngineUnavailable as exc:
        both = f"no engine can be used. docker: {docker.message}. netns: {exc.message}"
        raise EngineUnavailable(both, hint=_DOCTOR) from exc


def _docker(run: str, wishes: Wishes, why: str) -> Engine:
    from netbench.engines.docker import open_docker  # noqa: PLC0415 -- the SDK is slow to import

    engine = open_docker(run, wishes)
    engine.why = f"{why}; {engine.why}" if engine.why else why
    return engine


def _netns(run: str, wishes: Wishes, why: str) -> Engine:
    from netbench.engines.netns import (  # noqa: PLC0415 -- pyroute2 is slow to import
        NetnsEngine,
        reexec_in_user_namespace,
        unavailable,
    )

    if wishes.parent is not None:
        raise ConfigurationError(
            "--parent needs the docker engine: the netns engine builds a world of its own",
            hint="leave --parent out, or use --engine docker",
        )
    reason = unavailable()
    if reason:
        raise EngineUnavailable(f"namespaces cannot be made: {reason}", hint=_DOCTOR)
    reexec_in_user_namespace()
    return NetnsEngine(run, why, wishes)
