"""Another machine as far as processes and links can tell: from there the engine is a remote one.

It has network, pid and mount namespaces of its own, a veth pair to the engine's, and nothing else.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import trustme
from support.dockerd import Lab
from support.require import require_or_skip
from support.spaces import Spaces

ENGINE, HERE = "192.0.2.1", "192.0.2.2"
"""Addresses of the engine's host and of the other machine, of RFC 5737's block."""
SSH_PORT, TLS_PORT = 2222, 2376
SOCKET_GROUP = 65532
"""Group that may use the engine's socket; no user of the machine is in it."""
_CONFIG = """
Host {engine}
    IdentityFile {keys}/user
    IdentitiesOnly yes
    UserKnownHostsFile {keys}/known_hosts
    GlobalKnownHostsFile none
"""
_SERVER = """
Port {port}
ListenAddress {engine}
HostKey {keys}/host
AuthorizedKeysFile {keys}/user.pub
PidFile {keys}/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


def tls_files(folder: Path) -> tuple[str, ...]:
    """Make certificates of both sides; return what dockerd takes to serve by them."""
    folder.mkdir()
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, identity in (("server", ENGINE), ("", "client@netbench.test")):
        made = authority.issue_cert(identity, not_after=until)
        stem = f"{name}-" if name else ""
        made.cert_chain_pems[0].write_to_path(folder / f"{stem}cert.pem")
        made.private_key_pem.write_to_path(folder / f"{stem}key.pem")
    return (
        *("--host", f"tcp://0.0.0.0:{TLS_PORT}", "--tlsverify"),
        *("--tlscacert", str(folder / "ca.pem")),
        *("--tlscert", str(folder / "server-cert.pem"), "--tlskey", str(folder / "server-key.pem")),
    )


class Away:
    """The other machine; `stop` ends it and the SSH server that was started for it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        if shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
            require_or_skip("ssh", "no sshd; install: apt-get install openssh-server")
        self.lab = lab
        self.folder = folder
        self.spaces = Spaces()
        self._wire()
        self._open_ssh()

    def _wire(self) -> None:
        pair = f"away type veth peer name lan0 netns {self.spaces.pid}"
        self.lab.inside("ip", "link", "add", *pair.split())
        for name, address in (("away", ENGINE), ("lan0", HERE)):
            run = self.lab.inside if name == "away" else self.spaces.run
            run("ip", "addr", "add", f"{address}/30", "dev", name)
            run("ip", "link", "set", name, "up")

    def _open_ssh(self) -> None:
        """Start an SSH server beside the engine, which one key of the other machine's opens."""
        keys = self.folder / "ssh"
        keys.mkdir(mode=0o700)
        for name in ("host", "user"):
            command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name))
            subprocess.run(command, check=True)
        host = (keys / "host.pub").read_text()
        (keys / "known_hosts").write_text(f"[{ENGINE}]:{SSH_PORT} {host}")
        (keys / "config").write_text(_CONFIG.format(engine=ENGINE, keys=keys))
        (keys / "sshd_config").write_text(_SERVER.format(engine=ENGINE, keys=keys, port=SSH_PORT))
        self.spaces.run("mount", "--bind", str(keys / "config"), "/etc/ssh/ssh_config")
        within = ("nsenter", "--target", str(self.lab.holder), "--net", "--mount")
        subprocess.run((*within, "mkdir", "-p", "/run/sshd"), check=True)
        link = ("ln", "-s", str(self.lab.socket), "/run/docker.sock")
        subprocess.run((*within, *link), check=True)
        server = ("/usr/sbin/sshd", "-f", str(keys / "sshd_config"), "-E", str(keys / "log"))
        subprocess.run((*within, *server), check=True)

    def context(self, name: str, url: str, tls: Path | None = None) -> Mapping[str, str]:
        """Write a context as the docker command does; return what lets a client find it."""
        config = self.folder / "docker"
        number = hashlib.sha256(name.encode()).hexdigest()
        meta = config / "contexts" / "meta" / number
        meta.mkdir(parents=True)
        (config / "config.json").write_text("{}")
        endpoint = {"Host": url, "SkipTLSVerify": False}
        text = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
        (meta / "meta.json").write_text(json.dumps(text))
        if tls is not None:
            there = config / "contexts" / "tls" / number / "docker"
            there.mkdir(parents=True)
            for file in ("ca.pem", "cert.pem", "key.pem"):
                shutil.copy(tls / file, there / file)
        return {"DOCKER_CONFIG": str(config)}

    def stop(self) -> None:
        """End everything there, and the wire with it; the server ends with the lab."""
        self.spaces.stop()
