"""netkit for pyroute2, which does not know this kind of link: how a pair is asked for."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pyroute2.netlink import nla
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg, ifinfveth

KIND: Final = "netkit"
NEEDED: Final = "it takes Linux 6.7 or later, built with CONFIG_NETKIT"
_L2: Final = 0  # NETKIT_L2, include/uapi/linux/if_link.h: frames with addresses, as a bridge needs


class _Data(nla):  # type: ignore[misc] # it has no types
    """IFLA_NETKIT_*, include/uapi/linux/if_link.h."""

    prefix = "IFLA_"
    nla_map: ClassVar = (
        ("IFLA_NETKIT_UNSPEC", "none"),
        ("IFLA_NETKIT_PEER_INFO", "peer_info"),
        ("IFLA_NETKIT_PRIMARY", "uint8"),
        ("IFLA_NETKIT_POLICY", "uint32"),
        ("IFLA_NETKIT_PEER_POLICY", "uint32"),
        ("IFLA_NETKIT_MODE", "uint32"),
    )

    @staticmethod
    def peer_info(*_: Any, **__: Any) -> type:
        """Return how the other end is written: as that of a veth."""
        return ifinfveth  # type: ignore[no-any-return]


ifinfmsg.ifinfo.register_link_kind(module={KIND: _Data})


def pair_options(peer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `IPRoute.link("add", kind="netkit")` takes for a pair in L2 mode."""
    attributes = [(ifinfmsg.name2nla(name), value) for name, value in peer.items()]
    return {"netkit_mode": _L2, "netkit_peer_info": {"attrs": attributes}}
