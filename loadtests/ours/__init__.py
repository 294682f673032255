"""Our own server under test: its house, its profiles, its record held against what callers heard."""
