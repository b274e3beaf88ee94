import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import link_of, run_of

from netbench.record import Address, EndpointFacts, Failure, Namespaces, Redaction, Route
from netbench.record.redaction import NO_HOST, NO_USER, telling
from netbench.spec import Role
from netbench.store import RunFolder, load
from netbench.workflow.host_facts import addressed, named, reached

RUN = run_of(blocks=1)
MAC = "3c:ec:ef:1a:2b:3c"
ETH0 = link_of("eth0", 2, None, mac=MAC)
DOCKER0 = link_of("docker0", 3, "bridge", mac="02:42:5e:6f:00:01")
BRIDGED = link_of("br0", 4, "bridge", mac=MAC)
V6_OWN = ("2001:db8::1", "2001:db8::")
UPLINK = link_of("nb12ab34l0", 7, "veth", mac="5e:11:22:33:44:55")
FOUND = Redaction(
    {"db7.corp.example": NO_HOST, "db7": NO_HOST, "alice": NO_USER},
    {"10.20.30.4": "192.0.2.1", "fd12:3456::4": "2001:db8::1", MAC: "00:00:5e:00:53:01"},
)


def host_of(*links: object, addresses: object = (), routes: object = ()) -> EndpointFacts:
    return EndpointFacts(Role.HOST, 1, Namespaces(), links, addresses, routes)  # type: ignore[arg-type] # for tests


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Linux db7 6.12 x86_64", f"Linux {NO_HOST} 6.12 x86_64"),
        ("lookup db7.corp.example: no such host", f"lookup {NO_HOST}: no such host"),
        ("db7: refused. On db7.", f"{NO_HOST}: refused. On {NO_HOST}."),
        ("/home/alice/bench", f"/home/{NO_USER}/bench"),
        ("alice@db7", f"{NO_USER}@{NO_HOST}"),
        ("db77 adb7 db7-2 x.db7", "db77 adb7 db7-2 x.db7"),
        ("tcp://10.20.30.4:2376", "tcp://192.0.2.1:2376"),
        ("10.20.30.4/24 via 10.20.30.4.", "192.0.2.1/24 via 192.0.2.1."),
        ("10.20.30.45 110.20.30.4 10.20.30.4.5", "10.20.30.45 110.20.30.4 10.20.30.4.5"),
        ("[fd12:3456::4]:443", "[2001:db8::1]:443"),
        ("fd12:3456::45 1:fd12:3456::4", "fd12:3456::45 1:fd12:3456::4"),
        (f"ether {MAC.upper()} brd", "ether 00:00:5e:00:53:01 brd"),
        (f"{MAC}:00", f"{MAC}:00"),
    ],
)
def test_what_identifies_is_replaced_as_a_whole(text: str, redacted: str) -> None:
    assert FOUND.text(text) == redacted


@given(st.text())
def test_redacting_twice_changes_nothing_and_without_reason_nothing_at_all(text: str) -> None:
    assert FOUND.text(FOUND.text(text)) == FOUND.text(text)
    assert Redaction().text(text) == text


@pytest.mark.parametrize("name", ["", "a", "42", "localhost", "root", "Docker", "client", "sample"])
def test_names_of_everybody_identify_nobody(name: str) -> None:
    assert not telling(name)


def test_a_hosts_own_links_are_replaced_and_what_engines_make_stays() -> None:
    found = addressed(
        host_of(
            link_of("lo", 1, None),
            *(ETH0, DOCKER0, BRIDGED, UPLINK),
            addresses=(
                Address("lo", "127.0.0.1", 8),
                Address("eth0", "10.20.30.4", 24),
                Address("eth0", "fe80::3eec:efff:fe1a:2b3c", 64),
                Address("docker0", "172.17.0.1", 16),
                Address("br0", "192.168.7.9", 24),
                Address("nb12ab34l0", "198.18.0.1", 24),
            ),
            routes=(
                Route("default", "10.20.30.1", "eth0"),
                Route("10.20.30.0/24", None, "eth0"),
                Route("172.17.0.0/16", None, "docker0"),
                Route("198.18.0.0/24", None, "nb12ab34l0"),
                Route("::/0", "fe80::1", "eth0"),
            ),
        )
    )

    assert set(found) == {
        *(MAC, "enx3cecef1a2b3c", "10.20.30.4", "10.20.30.0", "10.20.30.1"),
        *("fe80::3eec:efff:fe1a:2b3c", "fe80::", "fe80::1", "192.168.7.9", "192.168.7.0"),
    }
    assert len(set(found.values())) == len(found)
    kept = re.compile(r"192\.0\.2\.\d+|2001:db8::\w+|00:00:5e:00:53:\w\w|enx00005e0053\w\w")
    assert all(kept.fullmatch(stand_in) for stand_in in found.values())


def test_a_link_without_an_address_is_replaced_where_it_is_hardware() -> None:
    made = link_of("veth1", 9, "veth", mac="8a:00:00:00:00:01")

    assert set(addressed(host_of(ETH0, made))) == {MAC, "enx3cecef1a2b3c"}


def test_a_stand_in_is_no_address_of_the_hosts_own() -> None:
    own = (Address("eth0", "192.0.2.1", 24), Address("eth0", "2001:db8::1", 64))

    found = addressed(host_of(ETH0, addresses=own))

    assert set(found) == {MAC, "enx3cecef1a2b3c", "192.0.2.1", "192.0.2.0", *V6_OWN}
    assert not {"192.0.2.1", "2001:db8::1"} & set(found.values())


def test_a_host_of_many_addresses_has_stand_ins_for_all() -> None:
    many = tuple(Address("eth0", f"10.{n // 250}.{n % 250}.7", 32) for n in range(2000))

    found = addressed(host_of(ETH0, addresses=many))

    assert len(found) == 2002


def test_names_come_with_and_without_their_domain() -> None:
    assert named(["db7.corp.example", "localhost"], ["alice", "root"]) == {
        "alice": NO_USER,
        "db7.corp.example": NO_HOST,
        "db7": NO_HOST,
    }


def test_the_way_to_an_engine_tells_host_and_user() -> None:
    assert reached("the Docker Engine answers at ssh://alice@db7.corp.example (DOCKER_HOST)") == (
        ["db7.corp.example"],
        ["alice"],
    )
    assert reached("asked for; at unix:///var/run/docker.sock (context default)") == ([], [])


def test_nothing_that_a_run_writes_holds_them(tmp_path: Path) -> None:
    info = replace(RUN.info, command=("netbench", "run", "--output", "/home/alice/db7", "db7"))
    folder = RunFolder.create(tmp_path, ("host",), info, FOUND)
    failure = Failure("client", "connect to 10.20.30.4 failed", f"on db7 by {MAC}")
    folder.append(replace(RUN.records[0], outcome=failure))
    folder.save_raw(1, Role.CLIENT, '{"system_info": "Linux db7 6.12"}')

    text = "".join(path.read_text() for path in folder.path.rglob("*") if path.is_file())
    assert not [word for word in ("db7", "alice", "10.20.30.4", MAC) if word in text]
    run = load(folder.path)
    (record,) = run.records()
    assert run.notes == []
    assert record.outcome == Failure(
        "client", "connect to 192.0.2.1 failed", f"on {NO_HOST} by 00:00:5e:00:53:01"
    )


def test_a_host_called_like_a_word_of_the_schema_spoils_no_record(tmp_path: Path) -> None:
    words = ("throughput", "east-west", "pass", "stream", "netlink", "number", "bit", "value")
    folder = RunFolder.create(
        tmp_path, ("host",), RUN.info, Redaction(dict.fromkeys(words, NO_HOST))
    )
    for record in RUN.records:
        folder.append(record)

    run = load(folder.path)

    assert [record.number for record in run.records()] == [r.number for r in RUN.records]
    assert run.notes == []


def test_a_folder_with_names_in_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    private = RunFolder.create(tmp_path, ("host",), RUN.info)
    shared = RunFolder.create(tmp_path, ("host",), RUN.info, FOUND)

    assert private.path.stat().st_mode & 0o777 == 0o700
    assert shared.path.stat().st_mode & 0o777 == 0o777 & ~umask()


def umask() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"^Umask:\s*(\d+)$", status, re.MULTILINE)[0], 8)
