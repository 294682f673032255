"""Load tests: from outside, through real sockets, at the caller."""
