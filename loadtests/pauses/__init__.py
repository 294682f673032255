"""Labelled pauses: turn policies compared by two numbers, cut-offs and delay."""

from loadtests.pauses.measure import policies

__all__ = ["policies"]
