"""How long what should end by itself may take, where a busy machine decides."""

from typing import Final

HANG: Final = 600.0
"""Seconds after which a command is taken to hang, however busy the machine is."""
