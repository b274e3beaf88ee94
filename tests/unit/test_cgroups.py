"""Where a process's CPU time is kept, from real texts of v1, v2 and hybrid systems."""

from pathlib import Path

import pytest

from netbench.errors import FactError
from netbench.system.cgroups import (
    ControlGroup,
    CpuUsage,
    group_in,
    mounts,
    usage,
    usage_v1,
    usage_v2,
)

V1 = """\
30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
"""
HYBRID = V1 + "34 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
V2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
IN_CONTAINER = "900 890 0:26 /docker/1234 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"

DOCKER_V1 = "9:name=systemd:/docker/abcd\n2:cpu,cpuacct:/docker/abcd\n0::/docker/abcd\n"
SYSTEMD_V2 = "0::/system.slice/docker-abcd.scope\n"


@pytest.mark.parametrize(
    ("mountinfo", "cgroup", "version", "folder"),
    [
        (V1, DOCKER_V1, 1, "/sys/fs/cgroup/cpu,cpuacct/docker/abcd"),
        (HYBRID, DOCKER_V1, 1, "/sys/fs/cgroup/cpu,cpuacct/docker/abcd"),
        (HYBRID, "0::/alone\n", 2, "/sys/fs/cgroup/unified/alone"),
        (V2, "0::/docker/abcd\n", 2, "/sys/fs/cgroup/docker/abcd"),
        (V2, SYSTEMD_V2, 2, "/sys/fs/cgroup/system.slice/docker-abcd.scope"),
        (V2, "0::/\n", 2, "/sys/fs/cgroup"),
        (IN_CONTAINER, "0::/docker/1234/inner\n", 2, "/sys/fs/cgroup/inner"),
        (V2, "0::/test:a:b:1:2/77\n", 2, "/sys/fs/cgroup/test:a:b:1:2/77"),
    ],
)
def test_the_folder_of_a_processs_group(
    mountinfo: str, cgroup: str, version: int, folder: str
) -> None:
    assert group_in(mounts(mountinfo), cgroup) == ControlGroup(version, Path(folder))  # type: ignore[arg-type] # 1 or 2


@pytest.mark.parametrize(
    ("mountinfo", "cgroup"),
    [
        ("", "0::/docker/abcd\n"),
        (V1, "0::/docker/abcd\n"),
        (V1, "9:name=systemd:/docker/abcd\n"),
        (IN_CONTAINER, "0::/../other\n"),
        (IN_CONTAINER, "0::/docker/5678\n"),
        (V2, ""),
    ],
)
def test_a_group_that_no_mount_shows_is_not_guessed(mountinfo: str, cgroup: str) -> None:
    with pytest.raises(FactError, match="no mounted cgroup hierarchy"):
        group_in(mounts(mountinfo), cgroup)


def test_whether_one_group_holds_another() -> None:
    outer, inner = ControlGroup(1, Path("/c/run")), ControlGroup(1, Path("/c/run/1"))

    assert outer.holds(inner)
    assert outer.holds(outer)
    assert not inner.holds(outer)
    assert not ControlGroup(1, Path("/c/run/10")).holds(inner)


def test_version_1_counts_nanoseconds() -> None:
    assert usage_v1("66460387199\n", "50571747459\n") == CpuUsage(66.460387199, 50.571747459)
    assert usage_v1("66460387199\n", None) == CpuUsage(66.460387199, None)


def test_version_2_counts_microseconds() -> None:
    text = "usage_usec 1049296191\nuser_usec 164941107\nsystem_usec 884355084\nnr_periods 0\n"

    assert usage_v2(text) == CpuUsage(1049.296191, 884.355084)
    assert usage_v2("usage_usec 5\n") == CpuUsage(5e-6, None)


@pytest.mark.parametrize("text", ["", "user_usec 1\n", "usage_usec\n", "usage_usec -1\n", "x y z"])
def test_no_usage_is_an_error_never_a_zero(text: str) -> None:
    with pytest.raises(FactError, match=r"cpu\.stat"):
        usage_v2(text)


def test_a_group_that_is_gone_says_so(tmp_path: Path) -> None:
    for version in (1, 2):
        with pytest.raises(FactError, match=r"gone.* is not readable"):
            usage(ControlGroup(version, tmp_path / "gone"))  # type: ignore[arg-type] # 1 or 2
