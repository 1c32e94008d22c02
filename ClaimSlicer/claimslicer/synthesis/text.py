"""Captions as vectors: a biomedical text encoder from a folder, and a cohort's embeddings kept in one file.

The encoder is any BERT-like network as Hugging Face's *transformers* stores it (``config.json``, the
tokenizer's files, ``model.safetensors``), which the user has put on this computer. Nothing is fetched, no
code of the folder runs, and no pickles are read. Training reads the file of embeddings alone, without
*transformers*.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from claimslicer.errors import ModelError, SpecificationError, StudyError
from claimslicer.json_files import parse_json
from claimslicer.outputs import written_whole
from claimslicer.studies.provenance import sha256_of_file

WEIGHTS = "model.safetensors"
LONGEST = 512
"""Tokens; what of a text goes beyond is not read."""
BATCH = 16
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its network, ready to run; ``sha256`` is the hash of the weights, ``width`` is d."""

    tokenizer: Any
    network: Any
    width: int
    sha256: str

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32: the mean of each text's last hidden states, scaled to root mean square 1."""
        import torch

        parts = []
        for first in range(0, len(texts), BATCH):
            batch = list(texts[first : first + BATCH])
            tokens = self.tokenizer(
                batch, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            mask = tokens["attention_mask"]
            with torch.inference_mode():
                found = self.network(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
            weight = mask[..., None].to(found.dtype)
            mean = ((found * weight).sum(1) / weight.sum(1).clamp(min=1)).float()
            parts.append(mean / mean.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6))
        empty = np.empty((0, self.width), np.float32)
        return torch.cat(parts).numpy() if parts else empty


def load_text_encoder(folder: str | Path) -> TextEncoder:
    """Load the encoder in ``folder``, once per process.

    Raises :class:`ModelError` where the folder lacks a file, holds pickled weights only or another kind of
    network, and where *transformers* is missing.
    """
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder)
    file = (folder / WEIGHTS).stat()
    return _load(folder, file.st_mtime_ns, file.st_size)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ModelError(f"There is no folder '{folder}': give the one that holds the text encoder's files.")
    if not (folder / WEIGHTS).is_file():
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
            raise ModelError(
                f"The text encoder in '{folder}' is a pickle, which could run anything: get it as {WEIGHTS}."
            )
        raise ModelError(f"'{folder}' lacks {WEIGHTS}: give the folder with all of the text encoder's files.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"'{folder}' lacks config.json: give the folder with all of the encoder's files.")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "spiece.model")):
        raise ModelError(f"'{folder}' lacks the tokenizer (tokenizer.json or vocab.txt): add its files.")


@lru_cache(maxsize=1)
def _load(folder: Path, changed_ns: int, size: int) -> TextEncoder:
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            "Text needs the package transformers: install it with pip install 'claim-slicer[text]'."
        ) from error
    from safetensors import SafetensorError

    options = {"local_files_only": True, "trust_remote_code": False}
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        with _broken_torchvision_hidden():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
            network, report = transformers.AutoModel.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **options
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"The text encoder in '{folder}' can't be loaded: get its files again, or choose a BERT-like one "
            "that needs no code of its own."
        ) from error
    # The pooler is not used, and encoders that were trained on masked words come without one.
    missing = [key for key in report["missing_keys"] if "pooler" not in key]
    if missing or report["mismatched_keys"]:
        raise ModelError(
            f"The weights in '{folder}' don't fit its config.json ({len(missing)} parts are missing): "
            "get both from one place."
        )
    network = network.get_encoder() if network.config.is_encoder_decoder else network
    network.eval().requires_grad_(False)
    encoder = TextEncoder(tokenizer, network, 0, sha256_of_file(folder / WEIGHTS))
    return TextEncoder(tokenizer, network, _width(encoder, folder), encoder.sha256)


@contextmanager
def _broken_torchvision_hidden() -> Iterator[None]:
    """Let *transformers* import its text models beside a torchvision that was built for another torch.

    It imports torchvision wherever there is one, though text needs none, and remembers that there is one.
    """
    from transformers.utils.import_utils import is_torchvision_available

    try:
        importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError):
        sys.modules["torchvision"] = None  # type: ignore[assignment]
        is_torchvision_available.cache_clear()
        try:
            yield
        finally:
            del sys.modules["torchvision"]
    else:
        yield


def _width(encoder: TextEncoder, folder: Path) -> int:
    """Return the embedding's length, found by embedding a word."""
    try:
        width = encoder.embed(["scar"]).shape[1]
    except (AttributeError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ModelError(
            f"The network in '{folder}' does not read text by itself: choose a BERT-like encoder."
        ) from error
    return int(width)


def caption_condition(
    caption: str | None, folder: str | Path | None, encoder: str, width: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return ``caption`` embedded (``width``,) by the encoder in ``folder``, and what a recipe says of it.

    ``encoder`` and ``width`` are the hash of the encoder that the generator was trained with, and the length
    of its embeddings: empty and 0 where it knows no text. Without a caption the embedding is zeros. Raises
    :class:`SpecificationError` for a caption that can't be followed, :class:`ModelError` for another encoder.
    """
    if caption is None:
        return np.zeros(width, np.float32), {}
    if not width:
        raise SpecificationError(
            "The weights know no text: leave the caption out, or choose weights trained with captions."
        )
    if folder is None:
        raise SpecificationError("A caption needs a text encoder: give its folder (--text-encoder).")
    found = load_text_encoder(folder)
    if found.sha256 != encoder:
        raise ModelError(
            f"The weights were trained with another text encoder, of hash {encoder[:12]}…: give that one."
        )
    return found.embed([caption])[0], {"caption": caption, "text_encoder_sha256": encoder}


@dataclass(frozen=True)
class CaptionEmbeddings:
    """The captions of a cohort's studies, and their ``embeddings`` (n, d) float32 by the encoder ``encoder``.

    ``encoder`` is the hash of its weights.
    """

    names: tuple[str, ...]
    captions: tuple[str, ...]
    embeddings: np.ndarray
    encoder: str

    @property
    def width(self) -> int:
        """d."""
        return int(self.embeddings.shape[1])

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Return the embeddings of ``names``. Raises :class:`StudyError` for a name without a caption."""
        place = {name: i for i, name in enumerate(self.names)}
        missing = [name for name in names if name not in place]
        if missing:
            raise StudyError(
                f"{len(missing)} studies have no caption ({', '.join(missing[:3])}): embed the captions of "
                "this very cohort."
            )
        return self.embeddings[[place[name] for name in names]]


def embed_captions(captions: Mapping[str, str], encoder: TextEncoder) -> CaptionEmbeddings:
    """Embed ``captions``, texts by study name. Raises :class:`StudyError` where there are none."""
    if not captions:
        raise StudyError("There are no captions to embed: give a cohort that has scars.")
    texts = tuple(captions.values())
    return CaptionEmbeddings(tuple(captions), texts, encoder.embed(texts), encoder.sha256)


def write_captions(path: Path, captions: CaptionEmbeddings) -> Path:
    """Write ``caption_embeddings.safetensors``, or however ``path`` is called; whole or not at all."""
    from safetensors.numpy import save

    header = {
        "format_version": FORMAT_VERSION,
        "names": captions.names,
        "captions": captions.captions,
        "encoder": captions.encoder,
    }
    array = np.ascontiguousarray(captions.embeddings, np.float32)
    content = save({"embeddings": array}, metadata={"captions": json.dumps(header, ensure_ascii=False)})
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    return path


def read_captions(path: Path) -> CaptionEmbeddings:
    """Read what :func:`write_captions` wrote; needs no *transformers*. Raises :class:`StudyError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = parse_json((file.metadata() or {})["captions"])
            embeddings = file.get_tensor("embeddings")
        found = CaptionEmbeddings(
            tuple(header["names"]), tuple(header["captions"]), embeddings, str(header["encoder"])
        )
    except FileNotFoundError as error:
        raise StudyError(
            f"There are no caption embeddings at '{path}': make them with 'claim-slicer train captions'."
        ) from error
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise StudyError(f"'{path}' holds no caption embeddings: make the file again.") from error
    fits = embeddings.ndim == 2 and len(embeddings) == len(found.names) == len(found.captions)
    if header.get("format_version") != FORMAT_VERSION or not fits or not np.isfinite(embeddings).all():
        raise StudyError(f"'{path}' holds no caption embeddings that fit: make the file again.")
    return found
