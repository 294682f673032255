"""An agent of exactly known delay: what the harness calibrates itself against."""
