"""Folds a plan over an engine and yields what happens. No printing, no files."""
