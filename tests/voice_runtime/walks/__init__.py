"""Calls that go any way while everything around them fails, held against what was on the wire."""
