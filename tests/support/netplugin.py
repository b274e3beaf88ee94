"""A minimal network plug-in for a Docker Engine: `python netplugin.py NAME`, in its namespaces.

Speaks the engine's legacy plug-in protocol, JSON over the socket `/run/docker/plugins/NAME.sock`:
a network is a bridge of its own, a container a port of it. Standard library, `ip` and `iptables`
alone, so that it runs with any interpreter. The engine's IPAM gives the addresses.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any, Final

FOLDER: Final = Path("/run/docker/plugins")
_SHORT: Final = 8
"""Characters of an id that tell one network or endpoint from another within a link's 15."""

Request = Mapping[str, Any]
Answer = Mapping[str, Any]

_PLAIN: Final[Mapping[str, Answer]] = {
    "/Plugin.Activate": {"Implements": ["NetworkDriver"]},
    "/NetworkDriver.GetCapabilities": {"Scope": "local"},
    "/NetworkDriver.CreateEndpoint": {"Interface": {}},
    "/NetworkDriver.EndpointOperInfo": {"Value": {}},
}
"""What is always answered; to create an endpoint is to accept the address that the engine chose."""


def _run(*argv: str) -> None:
    """Run a tool; what it complains of is told to the engine."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


def _bridge(asked: Request) -> str:
    return f"npb{asked['NetworkID'][:_SHORT]}"


def _port(asked: Request) -> str:
    return f"npp{asked['EndpointID'][:_SHORT]}"


def _let_through(what: str, bridge: str) -> None:
    """Add or delete the rule for what is bridged: the engine drops what no rule accepts."""
    _run("iptables", "--wait", what, "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT")


class Plugin:
    """Networks of one engine."""

    def __init__(self) -> None:
        self._gateways: dict[str, str] = {}

    def create_network(self, asked: Request) -> Answer:
        bridge = _bridge(asked)
        gateway = asked["IPv4Data"][0]["Gateway"]
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "address", "add", gateway, "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        _let_through("--insert", bridge)
        self._gateways[asked["NetworkID"]] = gateway.partition("/")[0]
        return {}

    def delete_network(self, asked: Request) -> Answer:
        del self._gateways[asked["NetworkID"]]
        _let_through("--delete", _bridge(asked))
        _run("ip", "link", "delete", _bridge(asked))
        return {}

    def join(self, asked: Request) -> Answer:
        """Return the link that the engine moves into the container and names `eth0` there."""
        port, inner = _port(asked), f"npi{asked['EndpointID'][:_SHORT]}"
        _run("ip", "link", "add", port, "type", "veth", "peer", "name", inner)
        _run("ip", "link", "set", port, "master", _bridge(asked), "up")
        return {
            "InterfaceName": {"SrcName": inner, "DstPrefix": "eth"},
            "Gateway": self._gateways[asked["NetworkID"]],
        }

    def leave(self, asked: Request) -> Answer:
        _run("ip", "link", "delete", _port(asked))
        return {}

    def answer(self, path: str, asked: Request) -> Answer:
        """Return the answer to a call; one that this plug-in has no work for succeeds."""
        work = {
            "/NetworkDriver.CreateNetwork": self.create_network,
            "/NetworkDriver.DeleteNetwork": self.delete_network,
            "/NetworkDriver.Join": self.join,
            "/NetworkDriver.Leave": self.leave,
        }
        return work[path](asked) if path in work else _PLAIN.get(path, {})


class _Handler(BaseHTTPRequestHandler):
    """One call of the engine's; an error is its answer's `Err`."""

    plugin = Plugin()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        try:
            answer = self.plugin.answer(self.path, asked)
        except KeyError as error:
            answer = {"Err": f"{self.path}: nothing known of {error}"}
        except RuntimeError as error:
            answer = {"Err": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """Return whom the log names; a UNIX socket's client has no address."""
        return "engine"


def main(name: str) -> None:
    """Serve until ended."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ThreadingUnixStreamServer(str(FOLDER / f"{name}.sock"), _Handler) as server:
        server.daemon_threads = True
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
