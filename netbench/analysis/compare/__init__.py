"""Runs beside each other: what differs between them, and what their results say of each other."""
