"""Where Whisper's weights are, and fetching them when, and only when, the profile says so.

A folder holds one model as CTranslate2's converter writes it. Nothing here asks
a network for anything unless the profile has ``download: true`` and the folder
is incomplete.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from faster_whisper import utils as published
from loguru import logger

from controls.errors import OperatorError

#: A vocabulary is there in one of two formats.
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_WANTED = [*_NEEDED, "preprocessor_config.json", "vocabulary.*"]


def missing(folder: Path) -> list[str]:
    """Names of the files the folder lacks; empty when a model can be loaded from it."""
    lacks = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        lacks.append(_VOCABULARIES[0])
    return lacks


def weights(folder: Path, model: str, *, download: bool) -> Path:
    """The folder with everything in it. Blocks; a download takes minutes.

    Args:
        folder: of the converted model.
        model: a published name (``base``) or ``owner/repository`` on the Hugging Face hub.
        download: fetch what is missing.

    Raises:
        OperatorError: weights are missing and must not, or could not, be downloaded.
    """
    lacks = missing(folder)
    if not lacks:
        return folder
    if not download:
        raise OperatorError(_advice(folder, model, lacks))
    _download(folder, model)
    if lacks := missing(folder):
        raise OperatorError(
            f"the repository of Whisper model {model} holds no CTranslate2 model: {folder} still lacks "
            f"{', '.join(lacks)} (name a converted one, such as Systran/faster-whisper-base)"
        )
    return folder


def _advice(folder: Path, model: str, lacks: list[str]) -> str:
    return (
        f"no Whisper weights in {folder} (missing: {', '.join(lacks)}). Get them once, on a machine with a "
        f"network: hf download {repository(model)} --local-dir {folder}. "
        "Or write download: true under this engine in the profile, or put another recogniser in its place, "
        "such as engine: pocketsphinx"
    )


def repository(model: str) -> str:
    """The hub's name for a model.

    Raises:
        OperatorError: no such model is published.
    """
    if "/" in model:
        return model
    found = published._MODELS.get(model)
    if found is None:
        names = ", ".join(published.available_models())
        raise OperatorError(f"no Whisper model is called {model}: use one of {names}, or owner/repository")
    return str(found)


def _download(folder: Path, model: str) -> None:
    # faster_whisper.download_model hands the hub an argument that newer versions refuse
    # (local_dir_use_symlinks), so the hub is asked directly, for the same files.
    from huggingface_hub import snapshot_download

    name = repository(model)
    logger.info("downloading Whisper weights {} into {}", name, folder)
    try:
        snapshot_download(name, local_dir=folder, allow_patterns=_WANTED)
    except Exception as error:  # the hub's client raises its own, its HTTP library's and OSError
        raise OperatorError(
            f"Whisper weights {name} could not be downloaded into {folder} ({type(error).__name__}): check "
            "the network, or copy the folder from a machine that has one and write download: false"
        ) from error


def digest(folder: Path) -> str:
    """``sha256:…`` of the weights file, for the record: two models of one name need not be the same."""
    with (folder / "model.bin").open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
