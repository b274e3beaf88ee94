"""`netbench run` and its options."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from netbench.cli import commands as shared
from netbench.cli.commands.report import show_run
from netbench.cli.output import one_screen
from netbench.cli.progress import TerminalObserver
from netbench.engines.base import EngineOptions
from netbench.errors import ConfigurationError
from netbench.plan import Options
from netbench.record import Ending, FactValue
from netbench.store import load
from netbench.workflow.confirm import asked_before, unconfirmable
from netbench.workflow.confirm import confirm as confirm_run
from netbench.workflow.options import RunOptions
from netbench.workflow.reporting import report_run
from netbench.workflow.resume import resume as resume_run
from netbench.workflow.run import measure

_HOW_TO_RUN = ("output", "resume", "force", "verbose", "as_json", "quiet", "keep", "peer_address")
"""Options of `run` that change nothing in what is measured; a site's address is not kept."""
EXAMPLES: Final = """\
netbench run --drivers host,bridge
    What a bridge costs against the host's own network, in about two minutes.

netbench run --drivers bridge,macvlan:bridge --paths north-south
    What macvlan costs against a bridge for clients on a LAN.

netbench run --drivers host,bridge --require 'bridge.throughput >= 0.8 host'
    In CI: exit code 1 unless the bridge keeps 80 % of the host's throughput.
"""


def run(
    ctx: typer.Context,
    drivers: Annotated[str | None, shared.setting("drivers LIST")] = None,
    baseline: Annotated[str | None, shared.setting("baseline DRIVER")] = None,
    engine: shared.EngineName = "auto",
    context: shared.Context = None,
    suite: Annotated[str, shared.setting("suite NAME")] = "quick",
    paths: Annotated[str | None, shared.setting("paths LIST")] = None,
    blocks: Annotated[str | None, shared.setting("blocks N")] = None,
    max_time: Annotated[str | None, shared.setting("max-time S")] = None,
    precision: Annotated[str | None, shared.setting("precision X")] = None,
    margin: Annotated[str | None, shared.setting("margin X")] = None,
    seed: Annotated[str | None, shared.setting("seed N")] = None,
    pin: Annotated[str, shared.setting("pin CPUS")] = "auto",
    cc: Annotated[str | None, shared.setting("cc NAME")] = None,
    require: shared.Require = None,
    confirm: Annotated[bool, shared.setting("confirm")] = False,
    allow_undecided: shared.AllowUndecided = False,
    output: shared.Output = Path("reports"),
    resume: Annotated[Path | None, shared.setting("resume DIR", parser=shared.place)] = None,
    force: Annotated[bool, shared.setting("force")] = False,
    image: shared.Image = None,
    parent: shared.Parent = None,
    parent_in_use: shared.ParentInUse = False,
    peer_context: shared.PeerContext = None,
    peer_address: shared.PeerAddress = None,
    peer_parent: shared.PeerParent = None,
    init_swarm: shared.InitSwarm = False,
    verbose: shared.Verbose = False,
    as_json: shared.Json = False,
    quiet: Annotated[bool, shared.setting("quiet")] = False,
    keep: Annotated[bool, shared.setting("keep")] = False,
    identify: Annotated[bool, shared.setting("identify")] = False,
) -> int:
    """Compare drivers with a baseline, prove each path, write a report.

    Every option can be set by an environment variable: `NETBENCH_MAX_TIME=60` is `--max-time 60`.
    What other commands share with `run` can be set so there, too.
    """
    new = resume is None
    idle = {
        "output": "" if new else "with --resume: the run goes on in its own folder",
        "parent_in_use": "without --parent" if new and parent is None else "",
        **dict.fromkeys(
            ("confirm", "allow_undecided"), "without --require" if new and not require else ""
        ),
        **dict.fromkeys(
            ("peer_address", "peer_parent"),
            "without --peer-context" if new and peer_context is None else "",
        ),
    }
    shared.refuse_idle(ctx, idle)
    how = RunOptions(
        output=output,
        engine=EngineOptions(
            context=context,
            image=image,
            parent=parent,
            init_swarm=init_swarm,
            peer_context=peer_context,
            peer_address=peer_address,
            peer_parent=peer_parent,
        ),
        parent_in_use=parent_in_use,
        keep=keep,
        identify=identify,
        asked=_asked(ctx, everything=resume is None),
        command=("netbench", *sys.argv[1:]),
    )
    observer = TerminalObserver(quiet=quiet)
    shown = _Shown(observer, how, as_json=as_json, verbose=verbose, force=force)
    if resume is not None:
        before = load(resume)
        idle["confirm"] = unconfirmable(before.info)
        shared.refuse_idle(ctx, idle)
        again = not idle["confirm"] and (confirm or asked_before(before.info))
        _check_keep(keep=keep, confirm=again)
        ending = resume_run(before, how, shown.observer, force=force)
        return shown.result(resume, ending, confirmed=again)
    if force:
        raise ConfigurationError("--force needs --resume DIR: it is about a run that exists")
    again = confirm and bool(require)
    _check_keep(keep=keep, confirm=again)
    what = Options(
        drivers=drivers,
        baseline=baseline,
        engine=engine,
        suite=suite,
        paths=paths,
        blocks=blocks,
        max_time=max_time,
        precision=precision,
        margin=margin,
        seed=seed,
        pin=pin,
        cc=cc,
        parent=parent,
        peer_context=peer_context,
        require=tuple(require or ()),
        allow_undecided=allow_undecided,
    )
    path, ended = measure(what, how, shown.observer)
    return shown.result(path, ended, confirmed=again)


def _check_keep(*, keep: bool, confirm: bool) -> None:
    if keep and confirm:
        raise ConfigurationError(
            "--keep cannot stand beside --confirm: the pairs that stay up would run beside what is "
            "measured again"
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a run is shown once it has ended."""

    observer: TerminalObserver
    how: RunOptions
    as_json: bool
    verbose: bool
    force: bool

    def result(self, path: Path, ending: Ending | None, *, confirmed: bool) -> int:
        """Report a run, measure its missed budgets again if asked for, and print it.

        The engine is not named again where its name is on the screen.
        """
        reported = report_run(path, ending=ending)
        if confirmed:
            reported = confirm_run(reported, path, self.how, self.observer, force=self.force)
        engine = not (self.observer.informed and one_screen())
        return show_run(path, reported, as_json=self.as_json, verbose=self.verbose, engine=engine)


def _asked(ctx: typer.Context, *, everything: bool) -> tuple[tuple[str, FactValue], ...]:
    """Return the options by name: those that are set if `everything`, else the given ones."""
    found: list[tuple[str, FactValue]] = []
    for name, value in ctx.params.items():
        asked = everything or shared.given(ctx, name)
        if name in _HOW_TO_RUN or value in (None, False, [], ()) or not asked:
            continue
        found.append((name.replace("_", "-"), tuple(value) if name == "require" else value))
    return tuple(found)
