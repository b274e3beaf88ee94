"""`pasta` and `slirp4netns`: a network stack in user space for each container (rootless Podman)."""

from dataclasses import replace
from typing import Final

from netbench.drivers.base import Closed, Driver, PathClaim, Promise, Proof, reach
from netbench.drivers.links import TAP, machine_to_published, tap_to_machine
from netbench.drivers.promises import OWN_NETNS, Evidence, by_end, listed
from netbench.record import PairFacts
from netbench.spec import Attach, Family, NetworkSpec, Path, Recipe, Via

_SUBNET, _GATEWAY = "10.0.2.0/24", "10.0.2.2"  # of slirp4netns, slirp4netns(1)
_AT_THE_MACHINE: Final = Closed(
    "its ports are the machine's that the engine runs on, where the emulated LAN is not: "
    "--paths outside takes that way",
    Proof.PROMISES,
)


def _one_tap(facts: PairFacts) -> Evidence:
    kinds = by_end(facts, lambda end: [x.kind for x in end.links if x.name != "lo"])
    names = by_end(facts, lambda end: [f"{x.name} ({x.kind or 'no kind'})" for x in end.links])
    return all(own == [TAP] for own in kinds.values()), f"links: {listed(names)}"


def _by_slirp(facts: PairFacts) -> Evidence:
    found = by_end(
        facts, lambda end: [r.gateway for r in end.routes if r.destination in ("default", _SUBNET)]
    )
    held = all(sorted(own, key=str) == [_GATEWAY, None] for own in found.values())
    return held, f"gateways of {_SUBNET} and beyond it: {listed(found)}"


ONE_TAP: Final = Promise("the only link beside lo is a tap, which a process serves", _one_tap)
SLIRP_NETWORK: Final = Promise(
    f"it is in {_SUBNET}, and the default route is {_GATEWAY}, slirp4netns itself", _by_slirp
)

PASTA: Final = Driver(
    name="pasta",
    summary="a network stack in user space for each container, pasta (rootless Podman)",
    isolates="all but published ports: containers do not reach each other",
    recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=NetworkSpec("pasta")),
    promises=(OWN_NETNS, ONE_TAP),
    ways={
        Path.EAST_WEST: Closed(
            "isolated by design: each container has a network of its own", Proof.PROMISES
        ),
        Path.NORTH_SOUTH: _AT_THE_MACHINE,
        Path.HAIRPIN: _AT_THE_MACHINE,
        Path.ACROSS: _AT_THE_MACHINE,
        Path.OUTSIDE: PathClaim(Via.PUBLISHED, machine_to_published),
        Path.TO_OUTSIDE: PathClaim(Via.MACHINE, tap_to_machine),
    },
    reach={Family.V4: reach(no="HOST>PAIR")},
    options=frozenset({"cc", "runtime"}),
)

SLIRP4NETNS: Final = replace(
    PASTA,
    name="slirp4netns",
    summary="a network stack in user space for each container, slirp4netns (rootless Podman)",
    recipe=replace(PASTA.recipe, network=NetworkSpec("slirp4netns")),
    promises=(*PASTA.promises, SLIRP_NETWORK),
)
