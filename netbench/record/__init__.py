"""What we saw: the outcome of a trial, with the facts that stand behind it."""

from netbench.record.budget import Budget
from netbench.record.histogram import Histogram
from netbench.record.metrics import METRICS, Metric
from netbench.record.observed import (
    NAMESPACE_KINDS,
    Absent,
    Address,
    Counters,
    EndpointFacts,
    FactValue,
    Ipam,
    Link,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.record.outcome import (
    Clock,
    Failure,
    HopProof,
    Measurement,
    Outcome,
    PathProof,
    Pins,
    PromiseCheck,
    Record,
    Sample,
    SentinelReading,
    SentinelWindow,
    SeriesPoint,
    Skip,
    ToolRun,
)
from netbench.record.process import Completed
from netbench.record.published import Direction, PublishedComparison
from netbench.record.run import SCHEMA, PlacementCpus, PlanSummary, ProbeSummary, RunInfo
from netbench.record.stops import Left, Ruling, Settled, Why

__all__ = [
    "METRICS",
    "NAMESPACE_KINDS",
    "SCHEMA",
    "Absent",
    "Address",
    "Budget",
    "Clock",
    "Completed",
    "Counters",
    "Direction",
    "EndpointFacts",
    "FactValue",
    "Failure",
    "Histogram",
    "HopProof",
    "Ipam",
    "Left",
    "Link",
    "Measurement",
    "Metric",
    "Namespaces",
    "Outcome",
    "PairFacts",
    "PathProof",
    "Pins",
    "PlacementCpus",
    "PlanSummary",
    "ProbeSummary",
    "PromiseCheck",
    "PublishedComparison",
    "Record",
    "Route",
    "Ruling",
    "RunInfo",
    "Sample",
    "SentinelReading",
    "SentinelWindow",
    "SeriesPoint",
    "Settled",
    "Skip",
    "ToolRun",
    "Why",
]
