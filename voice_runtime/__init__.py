"""Enacts what ``controls`` decides, on a live call."""
