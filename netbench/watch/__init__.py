"""Watchers: what is read again and again while a session or a trial runs."""
