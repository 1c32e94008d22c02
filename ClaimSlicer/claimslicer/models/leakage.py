"""Whom a model was trained on, by its card, and the sentence where it is judged on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from claimslicer.models.card import ModelCard

NAMED = 5
"""How many patients a sentence names."""
_TRAINED = ("training", "train")
_CHILD = "-synthetic"
"""What follows the parent's name in that of a synthetic study."""


def trained_on(card: ModelCard, patients: Iterable[str]) -> list[str]:
    """Return those of ``patients`` (names of studies) that the model learnt from, themselves or a child."""
    seen = {name.partition(_CHILD)[0] for name in _names(card.split, trained=False)}
    return sorted(set(patients) & seen)


def leakage(role: str, card: ModelCard, patients: Iterable[str]) -> str:
    """Return a sentence where the model learnt from some of ``patients``, else an empty one.

    ``role`` says what the model is for, such as "generator".
    """
    everybody = set(patients)
    known = trained_on(card, everybody)
    if not known:
        return ""
    names = ", ".join(known[:NAMED]) + (", …" if len(known) > NAMED else "")
    return (
        f"The {role} '{card.name}' was trained on {len(known)} of these {len(everybody)} patients ({names}): "
        "what is measured on them says too much good of it; take patients that it held back."
    )


def _names(split: Any, *, trained: bool) -> Iterator[str]:
    """Yield the names under ``training`` or ``train`` anywhere in a card's split."""
    if isinstance(split, dict):
        for key, value in split.items():
            yield from _names(value, trained=trained or str(key) in _TRAINED)
    elif isinstance(split, list | tuple) and trained:
        yield from (value for value in split if isinstance(value, str))
