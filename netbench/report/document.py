"""The `--json` document of `run` and `report`, schema 2."""

from typing import Any, Final

from netbench.analysis.digest_model import Digest
from netbench.analysis.literature import Beside, beside
from netbench.analysis.model import Analysis
from netbench.documents import plain
from netbench.documents.run import BudgetRow, DriverSentence, PublishedRow, RunDocument
from netbench.record import RunInfo
from netbench.report.answer import answers, headline
from netbench.report.conditions import Badges
from netbench.report.stopping import ending

SCHEMA: Final = 2

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def document(
    info: RunInfo, analysis: Analysis, digest: Digest, folder: str, exit_code: int
) -> dict[str, Any]:
    """Return a `RunDocument`; fields may be added to it, never renamed."""
    badges = Badges(info, analysis, digest)
    return plain(
        RunDocument(
            schema=SCHEMA,
            folder=folder,
            engine=info.engine,
            engine_why=info.engine_why,
            baseline=analysis.baseline,
            seed=info.plan.seed,
            exit=exit_code,
            status=info.status,
            lead=headline(info, analysis, digest),
            answer=tuple(
                DriverSentence(one.driver, str(one), badges.of_driver(one.driver))
                for one in answers(info, analysis, digest)
            ),
            caveats=badges.of_run,
            ending=ending(info, analysis),
            precision=info.plan.precision,
            margin=analysis.margin,
            alpha=analysis.alpha,
            measuring_share=analysis.measuring_share,
            contrasts=analysis.contrasts,
            cells=tuple(cell for cell in analysis.cells if not cell.replica),
            baseline_again=tuple(cell for cell in analysis.cells if cell.replica),
            nulls=analysis.nulls,
            budgets=tuple(map(BudgetRow.of, analysis.budgets)),
            ceilings=analysis.ceilings,
            warnings=analysis.warnings,
            confirmed_by=info.confirmed_by,
            confirms=info.confirms,
            published=tuple(_published(one) for one in beside(info.plan, analysis)),
        )
    )


def _published(one: Beside) -> PublishedRow:
    found, contrast = one.published, one.contrast
    return PublishedRow(
        source=found.source,
        url=found.url,
        driver=found.driver,
        baseline=found.baseline,
        path=found.path,
        probe=found.probe,
        placement=found.placement,
        metric=found.metric,
        direction=found.direction,
        published_ratio=found.ratio,
        conditions=found.conditions,
        agreement=one.agreement,
        reason=one.reason,
        ratio=contrast.ratio if contrast else None,
        low=contrast.low if contrast else None,
        high=contrast.high if contrast else None,
    )
