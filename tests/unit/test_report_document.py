import json
from dataclasses import replace

from support.synthetic import contrast_of, reported

from netbench.report import json_document
from netbench.store import json_text

CONTRAST = {
    *("driver", "baseline", "path", "probe", "placement", "metric", "unit", "ratio", "low"),
    *("high", "difference", "verdict", "reason", "by_sign", "blocks"),
    *("noise_floor", "warnings", "unshared", "median_ratio", "forecast", "forecast_verdict"),
}
CELL = {
    *("driver", "path", "probe", "placement", "metric", "unit", "median", "p25", "p75"),
    *("trials", "failures", "skips", "reasons"),
}


def test_the_document_has_every_published_field() -> None:
    run = reported()

    document = json_document(run.info, run.analysis, run.digest, "reports/x", 3)
    text = json_text(document)
    read = json.loads(text)

    assert {
        "schema": 2,
        "folder": "reports/x",
        "engine": "docker",
        "baseline": "host",
        "seed": 1,
        "exit": 3,
    }.items() <= read.items()
    assert all(set(contrast) >= CONTRAST for contrast in read["contrasts"])
    assert all(set(cell) >= CELL for cell in read["cells"])
    assert {"bridge", "bridge:user", "container"} <= {c["driver"] for c in read["contrasts"]}


def test_each_cell_stands_once_and_the_second_baseline_apart() -> None:
    run = reported()

    document = json.loads(json_text(json_document(run.info, run.analysis, run.digest, "x", 0)))
    keys = [
        (c["driver"], c["path"], c["probe"], c["placement"], c["metric"]) for c in document["cells"]
    ]

    assert sorted(set(keys)) == sorted(keys)
    assert {c["driver"] for c in document["baseline_again"]} == {"host"}


def test_what_is_unbounded_or_unknown_is_null() -> None:
    run = reported()
    open_ended = contrast_of(low=None, high=None, noise_floor=None, difference=None)
    analysis = replace(run.analysis, contrasts=(open_ended,))

    document = json.loads(json_text(json_document(run.info, analysis, run.digest, "x", 0)))
    contrast = document["contrasts"][0]

    assert [contrast[name] for name in ("low", "high", "noise_floor", "difference")] == [None] * 4


def test_warnings_carry_kind_message_and_advice() -> None:
    run = reported()

    document = json.loads(json_text(json_document(run.info, run.analysis, run.digest, "x", 0)))
    warnings = [w for c in document["contrasts"] for w in c["warnings"]] + document["warnings"]

    assert warnings
    assert all(w["kind"] and w["message"] and w["advice"] for w in warnings)
