"""Engines that really compute, on weights that are random: the ``gpu`` load profile, and its toy on a CPU.

What comes out was known before: a recogniser that says the scenario's sentences, a
model whose tokens are the scenario's answers, a voice whose samples are a tone. What
it takes to compute them is what published models of these shapes take. It proves
code and cost, never accuracy.
"""

from loadtests.engines.process import Engines, engine_server

__all__ = ["Engines", "engine_server"]
