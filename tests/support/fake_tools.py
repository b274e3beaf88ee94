"""Tools of paper: they work while they are let go on, and print what real ones would have."""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from support.golden import case, held
from support.plans import driver_of
from support.sockperf_log import log_of

from netbench.engines.base import BytesRead, Endpoint, Signal
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.spec import Role

if TYPE_CHECKING:
    from support.fakes import FakeEngine

RATE = 10**9
"""Bytes that a stream carries in a second, in each direction."""
RTT = 1e-3
"""Seconds of a round trip of sockperf's, and of a connection of netperf's."""
HEADERS = 66
"""Bytes of a frame around its payload."""
CONNECTION = 500
"""Bytes that a connection carries on a link, all its frames together."""
CARRIED = 10**12
"""Bytes that a trial that ran whole adds on every link: more than any captured tool received."""
NO_PROCESS = 2**22 + 1
"""Above PID_MAX_LIMIT: what is local to this engine is on paper too."""
WARMING = 2
"""Times that a client goes on before its first slice: at its start, and to be woken."""
_OMITTED = 0.4, 0.05
"""Seconds at both ends of its test that sockperf's log leaves out."""
_ENDED = Completed((), -9, "", "", timed_out=False, seconds=1.0)
_CALL = case("socat", "1.8.0", "ok")
_DIED = {
    "iperf3": held("stream-server-killed").client,
    "sockperf": held("tcp-server-killed").client,
    "netperf": held("connections-server-killed").client,
}


def call_now() -> Completed:
    """Return what socat left that was answered at this moment."""
    moment = f"{datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f}"
    return replace(_CALL, stderr=re.sub(r"^\S+ \S+", moment, _CALL.stderr, flags=re.MULTILINE))


@dataclass
class Span:
    """A time in which a tool was let go on."""

    start: float
    end: float | None = None


class FakeProcess:
    """A tool; a client works from its start on, and whenever it is let go on again."""

    def __init__(self, engine: "FakeEngine", endpoint: Endpoint, argv: tuple[str, ...]) -> None:
        self.engine = engine
        self.endpoint = endpoint
        self._argv = argv
        self.pair, self.inner = engine.led_to(endpoint, self.port)
        self.signals: list[Signal] = []
        self.spans = [Span(engine.clock.now())]
        self.ended = False
        self.asked = False
        """Whether it was asked to end, and printed what it had."""
        self.died = False

    @property
    def argv(self) -> tuple[str, ...]:
        return self._argv

    @property
    def tool(self) -> str:
        return self._argv[0]

    @property
    def port(self) -> int:
        if "-p" in self._argv:
            return int(self._argv[self._argv.index("-p") + 1])
        (port,) = re.findall(r"(?:LISTEN|\d|\]):(3\d{4})", " ".join(self._argv))
        return int(port)

    @property
    def role(self) -> Role:
        """That of the tool: the client on the LAN is one too."""
        return Role.SERVER if self.endpoint.role is Role.SERVER else Role.CLIENT

    @property
    def driver(self) -> str:
        return driver_of(self.pair)

    @property
    def held_once(self) -> bool:
        """Whether it is a session's client: one that runs whole is never held."""
        return "STOP" in self.signals

    @property
    def slices(self) -> list[tuple[float, float]]:
        """Return its times after it was woken, that of its end among them."""
        return self.edges()[WARMING:]

    def edges(self) -> list[tuple[float, float]]:
        """Return all times in which it was let go on and worked, up to now."""
        now = self.engine.clock.now()
        begins = self.spans[1].start + self.engine.late_by(self) if len(self.spans) > 1 else 0.0
        first, *rest = [(one.start, now if one.end is None else one.end) for one in self.spans]
        return [first, *((max(start, begins), max(end, begins)) for start, end in rest)]

    def of(self, names: object) -> bool:
        """Tell whether its pair, or its driver, is among these."""
        assert hasattr(names, "__contains__")
        return self.pair in names or self.driver in names

    def worked(self, *, on_links: bool = False) -> float:
        """Return the seconds in which it was let go on, without those when its links stood."""
        still = self.engine.standing_of(self) if on_links else frozenset()
        return sum(
            end - start
            for number, (start, end) in enumerate(self.edges(), start=1 - WARMING)
            if number not in still
        )

    def alive(self) -> bool:
        return not (self.ended or self._over() or self.engine.mute(self))

    def _over(self) -> bool:
        """Tell whether the time that its command gives it is up: sockperf's begins when woken."""
        if self.role is Role.SERVER or not self.held_once:
            return False
        option = "-l" if self.tool == "netperf" else "-t"
        seconds = self._argv[self._argv.index(option) + 1]
        first = self.spans[1:] if self.tool == "sockperf" else self.spans
        return bool(first) and self.engine.clock.now() > first[0].start + float(seconds)

    def signal(self, name: Signal) -> None:
        self.engine.answer()
        if self.of(self.engine.deaf) and name in {"CONT", "STOP"}:
            raise EngineError("its launcher has ended")
        if not self.alive():
            return
        self.signals.append(name)
        self.engine.note(self, name)
        now = self.engine.clock.now()
        if name == "CONT":
            if self.spans[-1].end is not None:
                self.spans.append(Span(now))
        else:
            self.spans[-1].end = self.spans[-1].end or now
        if name in {"TERM", "ALRM", "KILL"}:
            self.ended = True
            self.asked = name != "KILL"
        if name == "STOP" and len(self.spans) - WARMING == self.engine.dies_after(self):
            self.ended = self.died = True

    @property
    def latency(self) -> float:
        return self.engine.latency

    def bytes_read(self) -> BytesRead | None:
        """A server reads what its clients send, and a client what they have sent back."""
        self.engine.answer()
        if self.ended:
            return None
        return BytesRead(self.engine.clock.now(), self.engine.read_by(self))

    def cpus(self) -> str | None:
        return "0"

    def pid(self) -> int | None:
        return NO_PROCESS

    def wait(self, timeout: float) -> Completed:
        self.engine.answer()
        killed, self.ended = self.ended and not self.asked and not self.died, True
        if self.role is Role.CLIENT and self.engine.hangs(self):
            return Completed(self._argv, -9, "", "", timed_out=True, seconds=timeout)
        done = self.engine.prints(self)
        if self.role is Role.CLIENT and not self.held_once:
            self.engine.carried_whole(self)
        return replace(done, argv=self._argv, exit_code=-9 if killed else done.exit_code)

    def directions(self) -> tuple[bool, bool]:
        """Whether a client's stream goes forward, and back."""
        both = "--bidir" in self._argv
        return "-R" not in self._argv, both or "-R" in self._argv

    def on_links(self) -> int:
        """Return the bytes that a client has sent over its links so far, while it was held."""
        worked = self.worked(on_links=True)
        if self.tool == "iperf3":
            return int(1.1 * RATE * worked)
        if self.tool == "netperf":
            return int(CONNECTION * worked / RTT)
        return int((int(self._argv[self._argv.index("-m") + 1]) + HEADERS) * worked / RTT)

    def said(self, client: "FakeProcess | None") -> Completed:
        """Return what it printed; of a server, what its client made it print."""
        if self.died:
            return _DIED[self.tool]
        match self.tool, self.role:
            case "iperf3", _:
                return _iperf3(self, client or self)
            case "sockperf", Role.CLIENT:
                log = self._log()
                return replace(held("tcp").client, stderr=log)
            case "netperf", Role.CLIENT:
                return held("connections").client
            case _:
                return _ENDED

    def _log(self) -> str:
        first, last = _OMITTED
        edges = self.edges()[1:]
        if edges:
            edges[-1] = edges[-1][0], max(edges[-1][0], edges[-1][1] - last)
        return log_of(edges, rtt=RTT, lead=first)


def _iperf3(process: FakeProcess, client: FakeProcess) -> Completed:
    """Return what an end of iperf3 printed, of a trial at a rate or of a session."""
    if "-b" in client.argv or not client.held_once:
        name = "paced" if process.role is Role.CLIENT else "server-side"
        return case("iperf3", "3.18", name)
    forward, back = client.directions()
    way = "-bidirectional" if forward and back else "-reverse" if back else ""
    printed = held(f"stream{way}")
    done = printed.client if process.role is Role.CLIENT else printed.server
    assert done is not None
    document = json.loads(done.stdout)
    receives = back if process.role is Role.CLIENT else forward
    document["intervals"] = [_interval(*edge) for edge in client.edges()] if receives else []
    return replace(done, stdout=json.dumps(document))


def _interval(start: float, end: float) -> dict[str, Any]:
    count = int(RATE * (end - start))
    return {"streams": [{"socket": 5, "start": start, "bytes": count, "sender": False}], "sum": {}}
