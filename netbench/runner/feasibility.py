"""Which steps can run: asked of the engine beforehand, and learnt as pairs come up."""

from netbench.drivers import Closed
from netbench.engines.base import Engine
from netbench.errors import EngineError
from netbench.plan import Plan, Step
from netbench.probes import Probe, Sliced, UdpSearch, chooses
from netbench.record import Failure, Skip
from netbench.runner.isolation import prove_closed
from netbench.runner.recording import broken
from netbench.spec import Arm, Path
from netbench.topology import LiveBlock, LivePair, NotUp


class Feasibility:
    """What of one plan can be had from one engine."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        """Ask the engine; nothing is made for the run yet."""
        self._plan = plan
        self._engine = engine
        self._lacking: dict[tuple[str, Path], str] = {}
        """By driver and path: why it cannot be had here."""
        self._proofs: dict[tuple[Arm, Path], Skip | Failure] = {}
        for driver in plan.drivers:
            for path in plan.paths:
                # What a driver rules out by design takes no more than the pair itself.
                shut = isinstance(driver.ways[path], Closed)
                reason = engine.unsupported(driver.recipe, Path.EAST_WEST if shut else path)
                if reason is not None:
                    self._lacking[driver.name, path] = reason

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that at least one driver has here."""
        return tuple(
            path
            for path in self._plan.paths
            if any((driver.name, path) not in self._lacking for driver in self._plan.drivers)
        )

    def has(self, arm: Arm) -> bool:
        """Tell whether an arm has a path here at all."""
        return any((arm.driver, path) not in self._lacking for path in self._plan.paths)

    def learn(self, block: LiveBlock) -> None:
        """Take in a block's new pairs: what is impossible is tried no more, and proofs start anew.

        A driver of which another pair did come up is not impossible.
        """
        self._proofs.clear()
        up = {arm.driver for arm, pair in block.pairs.items() if isinstance(pair, LivePair)}
        for arm, pair in block.pairs.items():
            if isinstance(pair, NotUp) and pair.impossible and arm.driver not in up:
                for path in self._plan.paths:
                    self._lacking.setdefault((arm.driver, path), pair.reason)

    def ruled_out(self, step: Step, pair: LivePair | NotUp | None) -> Skip | Failure | None:
        """Return the outcome of a step that cannot run, None where it can.

        Raises:
            EngineLost: while the proof of a closed path is made.
        """
        path = step.cell.path
        lacking = self._lacking.get((step.arm.driver, path))
        lacking = lacking or self._plan.impossible.get(step.cell.placement)
        lacking = lacking or self._without_choice(step)
        if lacking is not None:
            return Skip(lacking)
        if isinstance(pair, NotUp):
            return Failure("create", pair.reason, "")
        if pair is None:
            return None
        if pair.broken:
            return broken(pair.broken)
        way = pair.driver.ways[path]
        return self._closed(pair, path, way) if isinstance(way, Closed) else None

    def _without_choice(self, step: Step) -> str | None:
        """Return why a probe cannot run under a variant's congestion control."""
        wanted = self._plan.driver(step.arm.driver).recipe.congestion_control
        probe = self._plan.probes[step.cell.probe]
        first = probe.following(()) if isinstance(probe, UdpSearch) else probe
        if wanted is None or not isinstance(first, Probe | Sliced) or chooses(first):
            return None
        return f"{first.tool} cannot choose a congestion control, and {wanted} is asked for"

    def _closed(self, pair: LivePair, path: Path, way: Closed) -> Skip | Failure:
        """Return the proof that a path is closed, made once for a pair."""
        key = (pair.arm, path)
        if key not in self._proofs:
            try:
                self._proofs[key] = prove_closed(self._engine, pair, way)
            except EngineError as exc:
                self._proofs[key] = Failure("isolation", str(exc), "")
        return self._proofs[key]
