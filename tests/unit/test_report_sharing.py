from dataclasses import replace

import pytest
from support.synthetic import reported

from netbench.record import NAMESPACE_KINDS, EndpointFacts, Namespaces
from netbench.report.sharing import namespace_rows, namespaces, sharing
from netbench.spec import Role


def ends(client: int | None, server: int | None, host: int | None) -> tuple[EndpointFacts, ...]:
    example = reported().digest.drivers[0].example
    assert example is not None
    inodes = {Role.CLIENT: client, Role.SERVER: server, Role.HOST: host}
    return tuple(
        replace(end, namespaces=Namespaces(net=inodes[end.role])) for end in example.endpoints
    )


@pytest.mark.parametrize(
    ("client", "server", "host", "expected"),
    [
        (10, 11, 1, "own"),
        (1, 11, 1, "host"),
        (1, 1, 1, "host"),
        (10, 10, 1, "pair"),
        (10, 10, None, "pair"),
        (1, None, 1, "host"),
        (10, 11, None, None),
        (10, None, 1, None),
        (None, 11, 1, None),
    ],
)
def test_whose_namespace_it_is(
    client: int | None, server: int | None, host: int | None, expected: str | None
) -> None:
    end = sharing("net", Role.CLIENT, ends(client, server, host))

    assert end.shared == expected
    assert end.inode == client


def test_all_eight_kinds_have_a_row() -> None:
    assert tuple(row.kind for row in namespace_rows(ends(10, 11, 1))) == NAMESPACE_KINDS


def test_nothing_read_gives_no_rows() -> None:
    assert namespace_rows(()) == ()


def test_one_sentence_tells_what_is_alike_and_the_rest_varies() -> None:
    run = reported()
    table = namespaces(run.info, run.digest)

    alike, vary = table.kinds(vary=False), table.kinds(vary=True)

    assert "net" in vary
    assert set(alike) | set(vary) == set(NAMESPACE_KINDS)
    assert table.summary.startswith("The same for all drivers: ")
    assert all(kind in table.summary for kind in (*alike, *vary))
    assert {len(rows) for rows in table.rows.values()} == {len(table.drivers)}
