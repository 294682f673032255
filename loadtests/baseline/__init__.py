"""Bare pipecat, as its documentation recommends it: what ours is compared with."""
