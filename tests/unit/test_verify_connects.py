"""What socat 1.8.0.3 was seen to print, and what it means."""

import pytest

from netbench.verify.places import ConnectAttempt, ConnectResult, answers, script, took

TCP = ConnectAttempt("tcp", 4, "198.18.0.2", 20001)
UDP = ConnectAttempt("udp", 4, "198.18.0.2", 20001)
SIX = ConnectAttempt("tcp", 6, "2001:2::2", 20001)

_STAMP = "2026/11/24 15:27:10 socat[15259]"
REFUSED = (
    f"netbench-0 1 {_STAMP} W connect(5, AF=2 198.18.0.2:20001, 16): Connection refused "
    f"{_STAMP} E TCP4:198.18.0.2:20001: Connection refused"
)
SILENT = (
    f"netbench-0 1 {_STAMP} W connecting to AF=2 198.18.0.2:20001: Connection timed out "
    f"{_STAMP} E TCP4:198.18.0.2:20001: Operation now in progress"
)
NO_ROUTE = (
    f"netbench-0 1 {_STAMP} W connect(5, AF=2 198.18.0.2:20001, 16): Network is unreachable "
    f"{_STAMP} E TCP4:198.18.0.2:20001: Network is unreachable"
)
UDP_REFUSED = f"netbench-0 1 {_STAMP} E read(5, 0x55b6d56c0000, 8192): Connection refused"

SAID = [
    pytest.param(
        TCP, "netbench-0 0 netbench-0", ConnectResult(reached=True, said="answered"), id="tcp"
    ),
    pytest.param(
        UDP, "netbench-0 0 netbench-0", ConnectResult(reached=True, said="answered"), id="udp"
    ),
    pytest.param(
        TCP,
        "netbench-0 0 netbench-0 [0000:0000:0000:0000:0000:ffff:c612:0003]",
        ConnectResult(reached=True, said="answered, to 198.18.0.3", client="198.18.0.3"),
        id="tcp with the client as a socket of both families sees it",
    ),
    pytest.param(
        UDP,
        "netbench-0 0 netbench-0 198.18.0.3",
        ConnectResult(reached=True, said="answered, to 198.18.0.3", client="198.18.0.3"),
        id="udp with the client",
    ),
    pytest.param(
        SIX,
        "netbench-0 0 netbench-0 [2001:0002:0000:0000:0000:0000:0000:0003]",
        ConnectResult(reached=True, said="answered, to 2001:2::3", client="2001:2::3"),
        id="tcp6 with the client",
    ),
    pytest.param(
        TCP,
        "netbench-0 0 netbench-0 nonsense",
        ConnectResult(reached=True, said="answered"),
        id="an answer with no address shows no client",
    ),
    pytest.param(TCP, REFUSED, ConnectResult(reached=False, said="ECONNREFUSED"), id="refused"),
    pytest.param(UDP, UDP_REFUSED, ConnectResult(reached=False, said="ECONNREFUSED"), id="icmp"),
    pytest.param(TCP, NO_ROUTE, ConnectResult(reached=False, said="ENETUNREACH"), id="no route"),
    pytest.param(
        TCP,
        SILENT,
        ConnectResult(reached=False, said="no answer within 1 s", silent=True),
        id="dropped",
    ),
    pytest.param(
        UDP,
        "netbench-0 0",
        ConnectResult(reached=False, said="no answer within 1 s", silent=True),
        id="udp dropped",
    ),
    pytest.param(
        TCP,
        "netbench-0 0 ",
        ConnectResult(reached=False, said="connected, but no answer within 1 s", silent=True),
        id="a proxy answers, the server behind it does not",
    ),
]


@pytest.mark.parametrize(("attempt", "text", "expected"), SAID)
def test_what_the_tool_says_is_an_answer(
    attempt: ConnectAttempt, text: str, expected: ConnectResult
) -> None:
    assert answers(f"{text}\n", [attempt], 1) == (expected,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "netbench-7 0 netbench-7",
        "netbench-0 127 sh: 1: socat: not found",
        f"netbench-0 1 {_STAMP} E unknown option connect-timeout",
        f"netbench-0 1 {_STAMP} E fork(): Resource temporarily unavailable",
        "netbench-0 0 netbench-9",
    ],
)
def test_a_tool_that_failed_shows_nothing_about_reach(text: str) -> None:
    (answer,) = answers(text, [TCP], 1)

    assert answer.reached is None
    assert answer.said


def test_answers_are_told_apart_in_whatever_order_they_come() -> None:
    lines = ["netbench-2 0 netbench-2", REFUSED, "netbench-1 0"]

    found = answers("\n".join(lines), [TCP, UDP, SIX], 1)

    assert [one.reached for one in found] == [False, False, True]


def test_every_connect_runs_beside_the_others() -> None:
    text = script([TCP, UDP, SIX], 2)

    calls = [line for line in text.splitlines() if line.startswith("try netbench-")]
    assert calls == [
        "try netbench-0 TCP4:198.18.0.2:20001,connect-timeout=2 2 &",
        "try netbench-1 UDP4:198.18.0.2:20001 2 &",
        "try netbench-2 'TCP6:[2001:2::2]:20001,connect-timeout=2' 2 &",
    ]
    assert "wait" in text.splitlines()
    assert text.splitlines()[-1].startswith('echo "netbench-clock')


def test_a_script_tells_how_long_it_took() -> None:
    text = "netbench-0 0 netbench-0\nnetbench-clock 5586.31 5587.44\n"

    assert took(text) == pytest.approx(1.13)
    assert answers(text, [TCP], 1) == (ConnectResult(reached=True, said="answered"),)
    assert took("netbench-0 0 netbench-0\n") is None
