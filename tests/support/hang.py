"""How long things may take, where a busy machine decides."""

from typing import Final

HANG: Final = 600.0
"""Seconds after which a command is taken to hang, however busy the machine is."""
SOON: Final = 20.0
"""Seconds for what follows at once, such as a process that goes when its parent is gone."""
