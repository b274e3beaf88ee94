"""What the judge of a run in progress says of campaigns."""

from collections.abc import Iterable
from dataclasses import replace

from support.campaign import Campaign

from netbench.analysis import Analysis, analyse
from netbench.analysis.stopping import RunningJudge
from netbench.record import Record, Ruling, RunInfo, Settled
from netbench.spec import Cell


def ruled(info: RunInfo, records: Iterable[Record]) -> list[Ruling]:
    """Return what the judge says after each block, with every record shown to it."""
    judge = RunningJudge(replace(info.plan, adaptive=True))
    blocks: dict[int, list[Record]] = {}
    for record in records:
        blocks.setdefault(record.block, []).append(record)
    rulings = []
    for number, of_block in sorted(blocks.items()):
        for record in of_block:
            judge.take(record)
        rulings.append(judge.rule(number))
    return rulings


def settled(campaign: Campaign) -> dict[Cell, tuple[int, str]]:
    """Return the block after which each cell left, and why."""
    found = (s for r in ruled(campaign.info(), campaign.records()) for s in r.settled)
    return {one.cell: (one.block, one.why) for one in found}


def adaptively(campaign: Campaign) -> Analysis:
    """Return the analysis of a run from which cells leave as the judge says."""
    judge, info = RunningJudge(campaign.info().plan), campaign.info()
    every, kept = campaign.records(), list[Record]()
    gone: dict[Cell, Settled] = {}
    for number in range(1, campaign.blocks + 1):
        if len(gone) == len(campaign.drivers) - 1:
            break
        here = [r for r in every if r.block == number and r.cell not in gone]
        for record in here:
            judge.take(record)
        kept += here
        gone |= {one.cell: one for one in judge.rule(number).settled}
    return analyse(replace(info, settled=tuple(gone.values())), kept)
