"""Labelled pauses: turn policies compared by two numbers, cut-offs and delay."""
