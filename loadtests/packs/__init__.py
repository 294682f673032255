"""Rule packs against labelled sentences, and what judging one clause costs.

Two sets: ``development``, by which rules are written, and ``held_out``, whose sentences were written by
others, from the packs' purposes alone, before the rules that are scored on them. Whoever writes rules does
not read ``held_out``; the command counts its misses and never shows them.
"""
