"""Which model of sentences rules go by in this process: the profile's, or none."""

from __future__ import annotations

from controls.rules import meaning
from voice_runtime.settings import Profile


def use_sentence_model(profile: Profile) -> None:
    """Give rules the profile's model, or none. Blocks while it is loaded, the first time.

    Raises:
        ConfigurationError: it cannot be used; with folder and remedy.
    """
    named = profile.meaning
    if named is None:
        meaning.use(None)
        return
    from voice_runtime.sentence_encoder import loaded  # a large library, which few commands need

    meaning.use(loaded((profile.root / named.folder).absolute()))
