"""Lookups of names by the resolver that a container is given: how long, and which fail.

socat in the client's endpoint sends each question as a datagram of its own to the first name server
of /etc/resolv.conf; its log says, in microseconds, when the question went out and when the answer
was there. So no start of a program is part of a figure, nor is what a C library does beside asking.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, ClassVar, Final, Literal

from netbench.errors import ProbeError
from netbench.probes.base import NOT_FOUND, AnyProbe, Argv, DomainName, Span, strerror_name
from netbench.record import Completed, FactValue, Measurement, Sample, SeriesPoint
from netbench.spec import Family
from netbench.units import RATIO, SECONDS

Name = Literal["peer", "outside", "missing"]
EMBEDDED: Final = "127.0.0.11"  # Docker's own resolver, on networks of the user's own
_MISSING: Final = "netbench.invalid"  # RFC 6761 §6.4: it never exists
_PATIENCE: Final = 5  # seconds until a lookup counts as not answered, as in resolv.conf(5)
_WHOLE: Final = 1  # seconds that the last answer is waited for, which is read whole
_HEADER: Final = 12  # bytes of an answer that tell how it ended, RFC 1035 §4.1.1
_NAME_ERROR: Final = 3  # RFC 1035: NXDOMAIN
_SCRIPT: Final = """\
patience=$1 whole=$2; shift 2
while read -r word server rest; do [ "$word" = nameserver ] && break; done </etc/resolv.conf
[ "$word" = nameserver ] || { echo "no name server in /etc/resolv.conf" >&2; exit 3; }
case $server in *:*) at="UDP6:[$server]:53" ;; *) at="UDP4:$server:53" ;; esac
echo "server $server" >&2
ask() {
    echo lookup >&2
    printf "$1" | TZ=UTC0 socat -x -d -d -d -lu -t"$2" -T"$2" - "$at$3" >/dev/null
}
for question do ask "$question" "$patience" ",readbytes=12"; done
[ -z "$whole" ] || ask "$whole" 1 ""
exit 0
"""
"""Of each answer but the last, which must not be waited for, the header alone is read."""
_SERVER: Final = re.compile(r"^server (\S+)$", re.MULTILINE)
_EACH: Final = re.compile(r"^lookup\n", re.MULTILINE)
_MOVED: Final = re.compile(
    r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}) \S+ I transferred \d{1,9} bytes from \d+ to \d+$",
    re.MULTILINE,
)
_DATA: Final = re.compile(r"^< .*\n((?: [0-9a-f]{2})+)", re.MULTILINE)
_ERROR: Final = re.compile(r"^\S+ \S+ \S+ [EW] (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lookup:
    """One lookup as socat's log has it."""

    name: Name
    asked: float  # Unix seconds
    seconds: float | None  # None without an answer
    problem: str  # why it failed; empty where it did not


@dataclass(frozen=True, slots=True)
class NameLookup(AnyProbe):
    """Names looked up in the client's endpoint: its peer's, one outside, one that is missing."""

    name: ClassVar[str] = "name-lookup"
    summary: ClassVar[str] = "time of name lookups by the container's own resolver (socat)"
    tool: ClassVar[str] = "socat"
    of_engine: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = (
        *("lookup_outside", "lookup_outside_first", "lookup_peer", "lookup_peer_first"),
        *("lookup_missing", "lookup_missing_first", "lookup_failures"),
    )

    repeats: Annotated[int, Span(1, 100)] = 5
    """Lookups of each name after its first one."""
    outside: Annotated[str, DomainName()] = "example.com"
    """The name outside, which the engine's host must be able to look up."""

    @property
    def expected(self) -> float:
        """Seconds."""
        return _WHOLE + 0.03 * 3 * (1 + self.repeats)

    @property
    def deadline(self) -> float:
        """Seconds after which the lookups are ended, were none of them answered."""
        return 10.0 + 3 * (1 + self.repeats) * _PATIENCE

    def argv(self, peer: str | None, family: Family) -> Argv:
        """Return the command that looks names up in turn; `peer` None leaves it out."""
        questions = [
            _question(number, self._text(name, peer), family)
            for number, name in enumerate(self._order(peer), 1)
        ]
        whole = _question(0, peer, family) if peer else ""
        return ("sh", "-c", _SCRIPT, "sh", str(_PATIENCE), whole, *questions)

    def cannot(self, done: Completed) -> str | None:
        """Return what endpoints lack for it, None if that is not why it failed."""
        missing = done.exit_code in NOT_FOUND or "socat: not found" in done.stderr
        return "socat does not run in the endpoints; install socat" if missing else None

    def nameable(self, peer: str) -> bool:
        """Tell whether a container's name can be asked for."""
        return DomainName().problem(peer) is None

    def conclude(self, done: Completed, peer: str | None, address: str | None) -> Sample:
        """Return the times of what was answered; raises ProbeError if nothing outside was.

        `address` is the peer's, which the answer to its name must hold.
        """
        server = _SERVER.search(done.stderr)
        if server is None or done.timed_out:
            said = "; ".join(line for line in done.stderr.splitlines() if line)[:300]
            code = "unseen" if done.exit_code is None else str(done.exit_code)
            raise ProbeError(f"no lookups were made (exit code {code}): {said or 'no word'}")
        order = self._order(peer)
        parts = _EACH.split(done.stderr)[1:]
        if len(parts) != len(order) + bool(peer):
            raise ProbeError(f"its log tells of {len(parts)} lookups, not of {len(order)}")
        lookups = [_read(at + 1, name, parts[at]) for at, name in enumerate(order)]
        problems = Counter(f"{one.name}: {one.problem}" for one in lookups if one.problem)
        told = "; ".join(f"{problem} ({count})" for problem, count in problems.items())
        sample = self._sample(lookups, server[1], told)
        if sample.value(self.metrics[0]) is None:
            raise ProbeError(f"{self.outside} was not looked up: {told}")
        if peer is not None and address is not None:
            _check(parts[-1], peer, address)
        return sample

    def hidden(self, done: Completed) -> Completed:
        """Return what a run left without the address of the site's own name server."""
        server = _SERVER.search(done.stderr)
        if server is None or server[1] == EMBEDDED:
            return done
        return replace(done, stderr=done.stderr.replace(server[1], "NAME-SERVER"))

    def _order(self, peer: str | None) -> tuple[Name, ...]:
        names: tuple[Name, ...] = ("peer", "outside", "missing")
        return (names if peer else names[1:]) * (1 + self.repeats)

    def _text(self, name: Name, peer: str | None) -> str:
        return {"peer": peer or "", "outside": self.outside, "missing": _MISSING}[name]

    def _sample(self, lookups: list[Lookup], server: str, told: str) -> Sample:
        failed = sum(bool(one.problem) for one in lookups)
        found = [Measurement("lookup_failures", failed / len(lookups), RATIO)]
        for name in ("outside", "peer", "missing"):
            first, *later = [one.seconds for one in lookups if one.name == name] or [None]
            times = [seconds for seconds in later if seconds is not None]
            if times:
                found.append(Measurement(f"lookup_{name}", median(times), SECONDS))
            if first is not None:
                found.append(Measurement(f"lookup_{name}_first", first, SECONDS))
        beyond = "a name server beyond the container"
        details: dict[str, FactValue] = {
            "lookup.resolver": f"the engine's, {EMBEDDED}" if server == EMBEDDED else beyond,
            "lookup.asked": len(lookups),
        }
        if told:
            details["lookup.failed"] = told
        began = lookups[0].asked
        return Sample(
            measurements=tuple(sorted(found, key=lambda one: self.metrics.index(one.metric))),
            received=len(lookups) - failed,
            series=tuple(
                SeriesPoint(one.asked - began, one.asked - began + one.seconds, one.seconds)
                for one in lookups
                if one.name == "outside" and one.seconds is not None
            ),
            details=tuple(details.items()),
        )


def _question(number: int, name: str, family: Family) -> str:
    """Return a question for an address as printf(1) takes it."""
    import dns.message  # noqa: PLC0415 -- slow to import

    kind = "AAAA" if family is Family.V6 else "A"
    wire = dns.message.make_query(name, kind, id=number).to_wire()
    return "".join(f"\\{byte:03o}" for byte in wire)


def _read(number: int, name: Name, log: str) -> Lookup:
    """Return a lookup from its part of the log."""
    moments = [
        datetime.strptime(text, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
        for text in _MOVED.findall(log)
    ]
    asked = moments[0] if moments else 0.0
    answer = _answers(log)
    if len(moments) < 2 or not answer:  # noqa: PLR2004 -- the question's and the answer's
        said = next(iter(reversed(_ERROR.findall(log))), "")
        why = strerror_name(said) or said[:100] or f"no answer within {_PATIENCE} s"
        return Lookup(name, asked, None, why)
    problem = _verdict(answer, number, missing=name == "missing")
    return Lookup(name, asked, None if problem else moments[1] - asked, problem)


def _answers(log: str) -> bytes:
    found = _DATA.search(log)
    return bytes.fromhex(found[1]) if found else b""


def _verdict(answer: bytes, number: int, *, missing: bool) -> str:
    """Return what is wrong with an answer's header; empty if nothing."""
    if len(answer) < _HEADER or int.from_bytes(answer[:2]) != number:
        return "what came is not the answer"
    code, records = answer[3] & 15, int.from_bytes(answer[6:8])
    if missing:
        return "" if code == _NAME_ERROR else f"it must not exist, and the answer is {_code(code)}"
    return _code(code) if code else "" if records else "no address"


def _code(code: int) -> str:
    import dns.rcode  # noqa: PLC0415 -- slow to import

    return dns.rcode.to_text(dns.rcode.Rcode(code))


def _check(log: str, peer: str, address: str) -> None:
    """Raise ProbeError unless the whole answer to the peer's name has its address."""
    import dns.exception  # noqa: PLC0415 -- slow to import
    import dns.message  # noqa: PLC0415

    try:
        answer = dns.message.from_wire(_answers(log))
    except dns.exception.DNSException as exc:
        raise ProbeError(f"the answer to {peer} cannot be read: {type(exc).__name__}") from exc
    found = sorted(str(record) for rrset in answer.answer for record in rrset)
    if address not in found:
        at = ", ".join(found) or "nothing"
        raise ProbeError(f"{peer} was looked up as {at}, and its address is {address}")
