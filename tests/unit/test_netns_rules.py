"""The firewall rules of the netns engine as text, against what a Docker Engine's tables hold."""

from contextlib import ExitStack

from netbench.engines.netns import rules as rule_text
from netbench.engines.netns.rules import (
    Forward,
    bridge_rules,
    container_chains,
    forward_rules,
    host_chains,
    routed_rules,
)
from netbench.engines.subnets import SubnetPool

DOCKER = """\
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.18.0.0/16 ! -o br-1 -j MASQUERADE
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br-1 -j DOCKER
-A FORWARD -i br-1 ! -o br-1 -j ACCEPT
-A FORWARD -i br-1 -o br-1 -j ACCEPT
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i br-1 ! -o br-1 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o br-1 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""
"""What Docker 26.1 has with its default bridge and one more, by `iptables-save`, but the two rules
of `nat DOCKER` that leave published ports to docker-proxy."""

FIRST = bridge_rules("docker0", "172.17.0.0/16", internal=False, icc=True)
SECOND = bridge_rules("br-1", "172.18.0.0/16", internal=False, icc=True)


def test_the_tables_are_docker_s() -> None:
    assert rule_text.restore(host_chains(4), [FIRST, SECOND]) == DOCKER


def test_ipv6_differs_in_loopback_alone() -> None:
    text = rule_text.restore(host_chains(6), [])

    assert text == rule_text.restore(host_chains(4), []).replace("127.0.0.0/8", "::1/128")


def test_a_network_is_inserted_before_the_others_and_behind_the_jumps() -> None:
    rules = [x for x in rule_text.insert(host_chains(4), SECOND).splitlines() if "FORWARD" in x]

    assert rules == [
        "-D FORWARD -j DOCKER-USER",
        "-D FORWARD -j DOCKER-ISOLATION-STAGE-1",
        "-I FORWARD -i br-1 -o br-1 -j ACCEPT",
        "-I FORWARD -i br-1 ! -o br-1 -j ACCEPT",
        "-I FORWARD -o br-1 -j DOCKER",
        "-I FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-I FORWARD -j DOCKER-ISOLATION-STAGE-1",
        "-I FORWARD -j DOCKER-USER",
    ]


def test_an_internal_network_has_no_way_out() -> None:
    rules = bridge_rules("br-1", "172.18.0.0/16", internal=True, icc=True)
    lines = rule_text.delete(rules).splitlines()

    assert lines == [
        "*filter",
        "-D FORWARD -i br-1 -o br-1 -j ACCEPT",
        "-D DOCKER-ISOLATION-STAGE-1 ! -s 172.18.0.0/16 -o br-1 -j DROP",
        "-D DOCKER-ISOLATION-STAGE-1 ! -d 172.18.0.0/16 -i br-1 -j DROP",
        "COMMIT",
    ]


def test_containers_kept_apart_are_dropped_behind_all_that_is_let_through() -> None:
    apart = bridge_rules("br-1", "172.18.0.0/16", internal=False, icc=False)
    text = rule_text.restore(host_chains(4), [apart, FIRST])
    forward = [line for line in text.splitlines() if line.startswith("-A FORWARD")]

    assert forward[-1] == "-A FORWARD -i br-1 -o br-1 -j DROP"


def test_a_port_is_translated_in_the_families_that_it_has() -> None:
    pool = SubnetPool(tuple)
    lan, net = pool.take(ExitStack(), ipv6=True), pool.take(ExitStack(), ipv6=False)
    one = Forward(lan.gateway, 30001, net.at(2), 20001, net)
    lines = rule_text.insert(host_chains(4), forward_rules(one, 4)).splitlines()

    assert forward_rules(one, 6) == ()
    assert (
        "-A DOCKER -d 198.18.0.1 -p tcp -m tcp --dport 30001 -j DNAT "
        "--to-destination 198.18.1.2:20001"
    ) in lines
    assert (
        "-A DOCKER -d 198.18.1.2 -p udp -m udp --dport 20001 -m conntrack --ctstate DNAT -j ACCEPT"
    ) in lines
    assert (
        "-A POSTROUTING -s 198.18.1.0/24 -d 198.18.1.2 -p tcp -m tcp --dport 20001 "
        "-m conntrack --ctstate DNAT -j MASQUERADE"
    ) in lines


def test_ipv6_neighbours_of_a_routed_subnet_find_each_other() -> None:
    lines = rule_text.insert(host_chains(6), routed_rules("2001:2::/64")).splitlines()

    assert "-I DOCKER-USER -d ff02::/16 -j ACCEPT" in lines


def test_a_container_has_the_way_to_the_name_server() -> None:
    assert rule_text.restore(container_chains(), []).splitlines() == [
        "*nat",
        ":OUTPUT ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        ":DOCKER_OUTPUT - [0:0]",
        ":DOCKER_POSTROUTING - [0:0]",
        "-A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT",
        "-A POSTROUTING -d 127.0.0.11 -j DOCKER_POSTROUTING",
        *(
            f"-A DOCKER_OUTPUT -d 127.0.0.11 -p {protocol} -m {protocol} --dport 53 -j DNAT "
            f"--to-destination 127.0.0.11:{port}"
            for protocol, port in (("tcp", 40053), ("udp", 41053))
        ),
        *(
            f"-A DOCKER_POSTROUTING -s 127.0.0.11 -p {protocol} -m {protocol} --sport {port} "
            "-j SNAT --to-source :53"
            for protocol, port in (("tcp", 40053), ("udp", 41053))
        ),
        "COMMIT",
    ]
