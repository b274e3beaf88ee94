"""Runs beside each other: what differs between them, and what their results say of one another.

What is compared is one driver in one cell, in two runs. Blocks of two runs are no pairs, so that
everything here is a statistic of independent samples.
"""
