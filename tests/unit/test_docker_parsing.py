from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.engines.docker.host import routed
from netbench.engines.docker.image import libraries
from netbench.engines.docker.runtimes import runtime_versions
from netbench.engines.subnets import BLOCK, BLOCK6, SubnetPair, SubnetPool
from netbench.errors import EngineError
from netbench.units import cpu_list

# Real output, addresses kept.
GLIBC = """\
	linux-vdso.so.1 (0x00007f8d3cc41000)
	libstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f8d3c400000)
	libc.so.6 => /usr/bin/../lib/x86_64-linux-gnu/libc.so.6 (0x00007f8d3c20c000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f8d3cc43000)
"""
MUSL = """\
	/lib/ld-musl-x86_64.so.1 (0x7f2b1c6f5000)
	libiperf.so.0 => /usr/lib/libiperf.so.0 (0x7f2b1c6a0000)
	libc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f2b1c6f5000)
"""


def test_libraries_are_found_at_the_path_that_is_asked_for() -> None:
    assert libraries("sockperf", GLIBC) == {
        "/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    }
    assert libraries("iperf3", MUSL) == {"/lib/ld-musl-x86_64.so.1", "/usr/lib/libiperf.so.0"}


@pytest.mark.parametrize("printed", ["\tstatically linked\n", "\tnot a dynamic executable\n", ""])
def test_a_static_binary_loads_nothing(printed: str) -> None:
    assert libraries("ip", printed) == set()


def test_a_missing_library_is_named() -> None:
    with pytest.raises(EngineError, match=r"iperf3 .*libiperf\.so\.0 not found"):
        libraries("iperf3", "\tlibiperf.so.0 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n")


FEATURES = "org.opencontainers.runtime-spec.features"
RUNTIMES = {
    "runsc": {"path": "/usr/bin/runsc"},
    "runc": {
        "path": "runc",
        "status": {
            FEATURES: '{"annotations": {"io.github.seccomp.libseccomp.version": "2.6.0", '
            '"org.opencontainers.runc.version": "1.3.6+ds1"}}'
        },
    },
    "crun": {
        "path": "/usr/bin/crun",
        "status": {
            FEATURES: '{"annotations": {"org.opencontainers.runc.checkpoint.enabled": "true", '
            '"run.oci.crun.commit": "10269840", "run.oci.crun.version": "1.21"}}'
        },
    },
}
"""As an engine answered, but for what is of no account."""


def test_runtimes_are_listed_with_the_versions_that_they_tell() -> None:
    assert runtime_versions({"Runtimes": RUNTIMES}) == "crun 1.21, runc 1.3.6+ds1, runsc"
    assert runtime_versions({"Runtimes": {"x": {"path": "x", "status": {FEATURES: "{"}}}}) == "x"
    assert runtime_versions({"Runtimes": None}) == runtime_versions({}) == ""


@given(st.sets(st.integers(0, 300), min_size=1))
def test_every_cpu_list_is_read_back(cpus: set[int]) -> None:
    singles = ",".join(map(str, sorted(cpus)))

    assert cpu_list(f"{singles}\n") == tuple(sorted(cpus))


def test_cpu_ranges() -> None:
    assert cpu_list("0-2,8,10-11\n") == (0, 1, 2, 8, 10, 11)
    for text in ("", "1-", "3-1", "a", "1_0", "0-999999999"):
        with pytest.raises(ValueError, match="no list of CPUs"):
            cpu_list(text)


networks = st.builds(
    lambda base, prefix: IPv4Network((base, prefix), strict=False),
    st.integers(int(BLOCK[0]) - 2**16, int(BLOCK[-1]) + 2**16),
    st.integers(12, 32),
)


def everything(pool: SubnetPool, undo: ExitStack) -> Iterator[SubnetPair]:
    """Yield what a pool lends until it has nothing more."""
    with suppress(EngineError):
        while True:
            yield pool.take(undo, ipv6=True)


@given(st.lists(networks, max_size=8))
def test_free_subnets_are_in_the_block_and_overlap_nothing(taken: list[IPv4Network]) -> None:
    with ExitStack() as undo:
        free = [pair.v4 for pair in everything(SubnetPool(lambda: taken), undo)]

    assert all(subnet.subnet_of(BLOCK) for subnet in free)
    assert not any(subnet.overlaps(other) for subnet in free for other in taken)
    lost = {s for s in BLOCK.subnets(new_prefix=24) if any(s.overlaps(t) for t in taken)}
    assert len(free) + len(lost) == 512


def test_free_ipv6_subnets_overlap_nothing() -> None:
    taken = (IPv6Network("2001:2::/63"), IPv6Network("2001:2:0:3::5/128"), IPv6Network("fd00::/8"))
    with ExitStack() as undo:
        free = everything(SubnetPool(lambda: taken), undo)

        assert [str(next(free).v6) for _ in range(2)] == ["2001:2:0:2::/64", "2001:2:0:4::/64"]
        assert list(everything(SubnetPool(lambda: [BLOCK6]), undo)) == []


def test_a_subnet_that_is_free_again_is_the_next_one() -> None:
    pool = SubnetPool(tuple, reuse=True)
    with ExitStack() as undo:
        lent = pool.take(undo, ipv6=False)

    assert pool.take(ExitStack(), ipv6=False).v4 == lent.v4


def test_ipv6_routes_are_read() -> None:
    printed = (
        '[{"dst":"2001:2::/64","dev":"nb0","protocol":"kernel","metric":256,"flags":[]},'
        '{"dst":"default","gateway":"fe80::1","dev":"eth0","flags":[]}]'
    )

    assert routed(printed) == (IPv6Network("2001:2::/64"),)


def test_routes_are_read_and_the_default_is_none_of_them() -> None:
    printed = (
        '[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]},'
        '{"dst":"172.17.0.0/16","dev":"docker0","protocol":"kernel","flags":["linkdown"]},'
        '{"type":"blackhole","dst":"198.18.2.0/24","flags":[]},'
        '{"dst":"10.9.9.9","dev":"eth0","flags":[]}]'
    )

    assert routed(printed) == tuple(
        map(IPv4Network, ("172.17.0.0/16", "198.18.2.0/24", "10.9.9.9/32"))
    )
    assert routed("[]") == ()


@pytest.mark.parametrize("printed", ["", "{}x", '[{"gateway":"1.1.1.1"}]', '[{"dst":"?"}]', "[1]"])
def test_unreadable_routes_are_an_error_not_no_routes(printed: str) -> None:
    with pytest.raises(EngineError, match="routes are unreadable"):
        routed(printed)
