from collections.abc import Mapping

from netbench.engines.docker.exec import runs, shows

_SLEEP = ("sleep", "21600")


class Commands:
    """The files of a machine without cgroups whose one process has one command after another."""

    def __init__(self, *commands: tuple[str, ...]) -> None:
        self._commands = list(commands)

    def read(self, *paths: str) -> Mapping[str, bytes]:
        if paths == ("/proc/7/stat",) and self._commands != [()]:
            return {paths[0]: b"7 (x) S 1"}
        if paths != ("/proc/7/cmdline",):
            return {}
        command = self._commands[0]
        del self._commands[: len(self._commands) > 1]
        return {paths[0]: "".join(f"{word}\0" for word in command).encode()}


def test_a_container_shows_by_its_command_once_the_runtime_has_become_it() -> None:
    files = Commands(("runc", "init"), ("runc", "init"), (), _SLEEP)

    assert shows(files, 7, "container", _SLEEP)


def test_another_process_of_that_number_does_not() -> None:
    assert not shows(Commands(("bash",)), 7, "container", _SLEEP)
    assert not shows(Commands(()), 7, "container", _SLEEP)


def test_a_tool_is_known_after_it_has_cut_an_argument_in_two_at_its_comma() -> None:
    """As netperf does: the comma of its own copy becomes the end of the first half."""
    argv = ("netperf", "-P", ",19210")

    assert runs(Commands(("netperf", "-P", "", "19210")), 7, argv)
    assert runs(Commands(argv), 7, argv)
    assert not runs(Commands(("netperf", "-P", "", "19211")), 7, argv)
    assert not runs(Commands(()), 7, argv)
