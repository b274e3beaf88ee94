"""The published JSON Schemas against the types they are made from, and against real documents."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.schemas import validated
from support.synthetic import reported, run_of

from netbench.cli.commands.lists import runs
from netbench.documents.schemas import DOCUMENTS, FOLDER, schemas
from netbench.report import json_document
from netbench.store import RECORDS, RUN, RunFolder, json_text


def test_the_files_are_those_that_the_types_make() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}

    assert kept == schemas(), "write them anew: python -m netbench.documents.schemas"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_is_a_schema_that_tells_what_its_fields_mean(name: str) -> None:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))

    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["schema"] if name != "record" else schema["properties"]["outcome"]


def test_the_document_of_a_run_is_valid_and_a_damaged_one_is_not() -> None:
    run = reported()
    document = json.loads(
        json_text(json_document(run.info, run.analysis, run.digest, "reports/x", 3))
    )

    validated("run", document)

    document["contrasts"][0]["verdict"] = "no difference"
    assert not Draft202012Validator(_schema("run")).is_valid(document)
    del document["contrasts"][0]["verdict"]
    assert not Draft202012Validator(_schema("run")).is_valid(document)


def test_a_run_folder_and_the_list_of_it_are_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(blocks=1)
    folder = RunFolder.create(tmp_path, run.info.plan.drivers, run.info)
    for record in run.records:
        folder.append(record)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / RUN).write_text("{}")

    validated("run-folder", json.loads((folder.path / RUN).read_text()))
    for line in (folder.path / RECORDS).read_text().splitlines():
        validated("record", json.loads(line))
    runs(tmp_path, as_json=True)
    document = validated("runs", json.loads(capsys.readouterr().out))
    assert sorted(map(len, document["runs"])) == [3, 11]


def _schema(name: str) -> object:
    return json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
