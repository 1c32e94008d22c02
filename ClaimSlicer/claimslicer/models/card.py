"""Model cards: what a set of weights is, what it was trained on, and the hash that proves it is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from claimslicer.errors import ModelError
from claimslicer.json_files import parse_json

ModelKind = Literal["synthesis", "segmentation"]
KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
FORMAT_VERSION = 1

_TEXTS = ("name", "kind", "version", "sha256", "terms")
_TABLES = ("network", "preprocessing", "data", "split", "training", "figures", "made_with", "calibration")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@dataclass(frozen=True)
class ModelCard:
    """Everything known about a set of weights; all tables hold JSON types only.

    ``network`` holds the settings that rebuild the network, ``preprocessing`` what its input must look like,
    ``data`` and ``split`` what it was trained on and which patients were held back (``real_only`` in a
    segmenter's ``data`` says of each labeller whether it saw no synthetic study), ``training`` how,
    ``figures`` what it reached, ``terms`` under which licence it may be used, ``made_with`` the versions.
    ``sha256`` is the hash of the weights' file. ``calibration``, which a segmenter may have, says how its
    probabilities are scaled, and on whom that was fitted. Raises ModelError when a field can't be right.
    """

    name: str
    kind: ModelKind
    version: str
    sha256: str
    network: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    training: Mapping[str, Any]
    figures: Mapping[str, Any]
    terms: str
    made_with: Mapping[str, Any]
    format_version: int = FORMAT_VERSION
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.format_version != FORMAT_VERSION:
            raise ModelError(
                f"The model card has format {self.format_version} and this program knows format "
                f"{FORMAT_VERSION}: update the program."
            )
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str):
                raise ModelError(
                    f"The model card's field {name} is not a text: ask its maker for a right one."
                )
        for name in _TABLES:
            if not isinstance(getattr(self, name), Mapping):
                raise ModelError(
                    f"The model card's field {name} is not a table: ask its maker for a right one."
                )
        if self.kind not in KINDS:
            raise ModelError(f"The model card's kind is {self.kind!r}, not one of {', '.join(KINDS)}.")
        check_name(self.name)

    @property
    def real_only(self) -> tuple[bool, ...]:
        """Of each of a segmenter's labellers, whether it is known to have learnt from real studies alone."""
        told, members = self.data.get("real_only"), self.network.get("members", 1)
        if not isinstance(told, list) or len(told) != members:
            return (False,) * members
        return tuple(one is True for one in told)

    def to_json(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card. Raises ModelError when it is not one."""
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ModelError("The model card is not JSON: get the model again from where it came.") from error
        return cls.from_fields(values)

    @classmethod
    def from_fields(cls, values: object) -> ModelCard:
        """Make a card from a table of its fields. Raises ModelError when fields are missing or unknown."""
        if not isinstance(values, Mapping):
            raise ModelError("The model card is not a table: get the model again from where it came.")
        known = {one.name for one in fields(cls)}
        if missing := sorted(known - values.keys() - {"calibration"}):
            raise ModelError(f"The model card lacks {', '.join(missing)}: ask its maker for a complete one.")
        if unknown := sorted(values.keys() - known):
            raise ModelError(f"The model card has unknown fields ({', '.join(unknown)}): update the program.")
        return cls(**cast("dict[str, Any]", dict(values)))

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card's file. Raises ModelError naming the file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"Can't read the model card {path}: get the model again.") from error
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error


def check_name(name: str) -> None:
    """Raise ModelError unless ``name`` can be a folder's name on every system."""
    if not name or name.startswith(".") or name.endswith(".") or not _NAME_CHARACTERS.issuperset(name):
        raise ModelError(f"{name!r} can't name a model: use letters, digits, '-', '_' and '.' only.")
