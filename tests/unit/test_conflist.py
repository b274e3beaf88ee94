"""CNI configuration lists as users write them, good and bad."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.facts import bridge_pair

from netbench.drivers import Closed
from netbench.errors import ConfigurationError
from netbench.plan.drivers import driver_named, load_conflist
from netbench.record import Ipam
from netbench.spec import CNI_PATH, MACHINE_PATHS
from netbench.spec import Path as Way

IPV6 = 6
BRIDGE = """
{
  "name": "demo",
  "cniVersion": "1.0.0",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true,
     "ipam": {"type": "host-local", "subnet": "198.18.9.0/24"}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""
LIKE_IT = """
{"plugins": [{"ipam": {"subnet": "198.18.9.0/24", "type": "host-local"}, "isGateway": true,
  "bridge": "cni0", "type": "bridge"}, {"capabilities": {"portMappings": true},
  "type": "portmap"}], "cniVersion": "1.0.0", "name": "demo"}
"""
TEXT = (
    '{"cniVersion":"1.0.0","name":"demo","plugins":['
    '{"bridge":"cni0","ipam":{"subnet":"198.18.9.0/24","type":"host-local"},'
    '"isGateway":true,"type":"bridge"},'
    '{"capabilities":{"portMappings":true},"type":"portmap"}]}'
)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plug-ins, the only one that is searched."""
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    for name in ("bridge", "host-local", "portmap", "macvlan"):
        (folder / name).touch(0o755)
    monkeypatch.setenv("CNI_PATH", f"/nowhere:{folder}")
    return folder


@pytest.fixture
def file(tmp_path: Path, plugins: Path) -> Path:
    del plugins
    return tmp_path / "demo.conflist"


def problems(path: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_conflist(str(path))
    return [problem.removeprefix(f"{path}") for problem in caught.value.problems]


@pytest.mark.parametrize("written", [BRIDGE, LIKE_IT])
def test_one_list_has_one_text_however_it_is_written(file: Path, written: str) -> None:
    file.write_text(written)

    assert load_conflist(str(file)) == (TEXT, True)


def test_a_single_configuration_becomes_a_list_of_one(file: Path) -> None:
    file.write_text('{"name": "lan", "cniVersion": "0.3.1", "type": "macvlan", "mode": "bridge"}')

    text, publishes = load_conflist(str(file))

    assert json.loads(text) == {
        "name": "lan",
        "cniVersion": "0.3.1",
        "plugins": [{"type": "macvlan", "mode": "bridge"}],
    }
    assert not publishes


@pytest.mark.parametrize("declared", ["{}", '{"portMappings": false}', '{"bandwidth": true}'])
def test_only_a_plugin_that_declares_port_mappings_publishes(file: Path, declared: str) -> None:
    file.write_text(BRIDGE.replace('{"portMappings": true}', declared))

    assert load_conflist(str(file))[1] is False


def test_every_problem_of_a_list_is_told_at_once(file: Path, plugins: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "name": "no blanks",
                "plugins": [
                    {"bridge": "cni0"},
                    {"type": "macvlan", "ipam": {"type": "absent"}},
                    "portmap",
                    {"type": "../bin/sh", "capabilities": []},
                    {"type": "bridge", "ipam": {"subnet": "198.18.9.0/24"}},
                ],
            }
        )
    )

    assert problems(file) == [
        (
            ": `name` must be letters, digits, dots, hyphens and underscores, "
            'a letter or digit first; not "no blanks"'
        ),
        ': has no `cniVersion`, such as "1.0.0"',
        ": plug-in 1 has no `type`, the plug-in's name",
        (
            f": plug-in 2: `ipam`: no plug-in 'absent' in /nowhere:{plugins} "
            "(apt-get install containernetworking-plugins, or set CNI_PATH)"
        ),
        ": plug-in 3 must be a JSON object with a `type`",
        ': plug-in 4: `type` must be the name of a plug-in, not "../bin/sh"',
        ": plug-in 4: `capabilities` must be a JSON object",
        ": plug-in 5: `ipam` has no `type`, the plug-in's name",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"name": "demo",\n "plugins": [}',
            ":2:14: not JSON: Expecting value",
        ),
        ("", ":1:1: not JSON: Expecting value"),
        ("[" * 100_000, ": not JSON: maximum recursion depth exceeded"),
        ("[]", ": must be a JSON object, with `name` and `plugins`"),
        (
            '{"cniVersion": "1.0.0", "name": "demo"}',
            ": has no `plugins` (nor a `type`, as a single configuration has)",
        ),
        (
            '{"cniVersion": "1.0.0", "name": "demo", "plugins": []}',
            ": `plugins` must be a list of at least one plug-in's configuration",
        ),
        (BRIDGE.replace('"demo"', "null"), ": has no `name`, the network's"),
        (
            BRIDGE.replace('"1.0.0"', '"0.2.0"'),
            ": `cniVersion` 0.2.0 is older than 0.3.0, the first with chains of plug-ins",
        ),
        (
            BRIDGE.replace('"1.0.0"', "1.0"),
            ': `cniVersion` must be a version such as "1.0.0", not 1.0',
        ),
        (
            BRIDGE.replace('{"type": "host-local"', '[{"type": "x"').replace('24"}}', '24"}]}'),
            ": plug-in 1: `ipam` must be a JSON object",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(
    file: Path, text: str, expected: str
) -> None:
    file.write_text(text)

    (problem,) = problems(file)

    assert problem.startswith(expected)


def test_a_file_that_is_not_there_or_cannot_be_read(file: Path, plugins: Path) -> None:
    assert problems(file) == [": No such file or directory"]

    assert problems(plugins) == [
        ": it is a directory, not a regular file",
    ]

    file.write_bytes(b"\xff\xfe")
    (problem,) = problems(file)
    assert problem.startswith(": not JSON: 'utf-8' codec can't decode byte 0xff")


def test_a_program_that_may_not_be_run_is_no_plugin(file: Path, plugins: Path) -> None:
    file.write_text(BRIDGE)
    (plugins / "portmap").chmod(0o644)
    (plugins / "host-local").unlink()
    (plugins / "host-local").mkdir()

    assert [problem.partition(" in ")[0] for problem in problems(file)] == [
        ": plug-in 1: `ipam`: no plug-in 'host-local'",
        ": plug-in 2: no plug-in 'portmap'",
    ]


def test_without_cni_path_the_usual_folders_are_searched(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CNI_PATH")
    file.write_text(BRIDGE.replace('"portmap"', '"not-to-be-found"'))

    assert f"no plug-in 'not-to-be-found' in {CNI_PATH} (" in problems(file)[-1]


def test_a_driver_is_made_of_it(file: Path) -> None:
    file.write_text(BRIDGE)

    driver = driver_named(f"cni:{file}")

    assert driver.name == f"cni:{file}"
    assert driver.recipe.network is not None
    assert driver.recipe.network.conflist == TEXT
    assert {path for path, way in driver.ways.items() if isinstance(way, Closed)} == {
        Way.ACROSS,
        *MACHINE_PATHS,
    }
    assert driver_named(f"cni:{file}@family=6").recipe.family == IPV6


def test_addresses_that_the_result_does_not_tell_of_break_a_promise(file: Path) -> None:
    file.write_text(BRIDGE)
    promise = driver_named(f"cni:{file}").promises[-1]
    told = Ipam("demo", "10.7.0.0/16", None, None)

    assert promise.judge(bridge_pair()).held
    broken = promise.judge(replace(bridge_pair(), ipam=told))

    assert not broken.held
    assert broken.evidence.startswith("list 'demo' of sha256 ")


def test_a_driver_without_a_file_is_told_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"cni: needs the file .* as in cni:/etc"):
        driver_named("cni:")
