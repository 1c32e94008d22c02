"""Finding, checking and loading weights.

A model is a folder that holds, for each kind it has, ``<kind>.safetensors`` and its card ``<kind>.json``,
with licence and notes beside them. The folder's name is the model's name. Shipped models lie beside this
file; the user's own in :func:`user_folder`, which comes first when a name is in both.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from claimslicer import __version__
from claimslicer.errors import ModelError, OutputError
from claimslicer.models.card import FORMAT_VERSION, KINDS, ModelCard, ModelKind
from claimslicer.outputs import make_folder, written_with

if TYPE_CHECKING:
    import torch

SHIPPED = Path(__file__).parent
DEFAULT_MODEL = "emidec"
PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".bin")


@dataclass(frozen=True)
class Model:
    """One set of weights: its file and, beside it, its card."""

    weights: Path

    @property
    def card_file(self) -> Path:
        """The card's file."""
        return self.weights.with_suffix(".json")

    @property
    def name(self) -> str:
        """The name of the model's folder, by which users ask for it."""
        return self.weights.parent.name

    @property
    def shipped(self) -> bool:
        """Whether it came with the program."""
        return self.weights.is_relative_to(SHIPPED)

    @cached_property
    def card(self) -> ModelCard:
        """The card. Raises ModelError."""
        return ModelCard.read(self.card_file)

    def verify(self) -> None:
        """Raise ModelError unless the weights are there and are those that the card describes."""
        self._read()

    def load_state(self, device: str = "cpu") -> dict[str, torch.Tensor]:
        """Return the tensors by name, on ``device``.

        Raises ModelError when the file is missing, or is not the one whose hash is on the card.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        content = self._read()
        try:
            return {key: tensor.to(device) for key, tensor in load(content).items()}
        except SafetensorError as error:
            raise ModelError(f"{self.weights} is not a safetensors file: get the model again.") from error

    def _read(self) -> bytes:
        try:
            content = self.weights.read_bytes()
        except OSError as error:
            raise ModelError(f"Can't read the weights {self.weights}: get the model again.") from error
        if hashlib.sha256(content).hexdigest() != self.card.sha256:
            raise ModelError(
                f"The weights {self.weights} are not those on their card (cut short, damaged or replaced): "
                "get the model again."
            )
        return content


def user_folder() -> Path:
    """Return the folder of the user's own models: ``CLAIM_MODELS``, or the place the system has for such."""
    if chosen := os.environ.get("CLAIM_MODELS"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "claim-slicer" / "models"


def models_in(folder: Path) -> list[Model]:
    """Return the models that a folder holds, by the cards and weights found there."""
    found = (Model(folder / f"{kind}.safetensors") for kind in KINDS)
    return [model for model in found if model.weights.is_file() or model.card_file.is_file()]


def list_models() -> list[Model]:
    """Return every model, the user's own first; cards and weights are not checked yet."""
    folders: list[Path] = []
    for root in (user_folder(), SHIPPED):
        if root.is_dir():
            folders += sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")
    return [model for folder in folders for model in models_in(folder)]


def resolve(model: str | Path | None, kind: ModelKind) -> Model:
    """Find a model by name, by its folder, or by its weights' file; None asks for the shipped one.

    Raises ModelError when there is none, when it is of another kind, or when it is a pickle.
    """
    wanted = DEFAULT_MODEL if model is None else model
    found = _by_path(Path(wanted), kind) or _by_name(str(wanted), kind)
    if found is None:
        _raise_unknown(str(wanted), kind)
    if not found.weights.is_file():
        raise ModelError(f"The weights {found.weights} are missing: get the model again.")
    if found.card.kind != kind:
        raise ModelError(f"{found.weights} is a {found.card.kind} model: give one for {kind}.")
    return found


def _by_path(path: Path, kind: ModelKind) -> Model | None:
    if path.suffix.lower() in PICKLES:
        raise ModelError(
            f"{path.name} may be a pickle, which can run any program when opened: give a .safetensors file "
            "with its card."
        )
    if path.suffix in (".safetensors", ".json"):
        if not path.is_file():
            raise ModelError(f"There is no file {path}: check its name.")
        return Model(path.with_suffix(".safetensors").resolve())
    if path.is_dir() and models_in(path):
        return Model(path.resolve() / f"{kind}.safetensors")
    return None


def _by_name(name: str, kind: ModelKind) -> Model | None:
    named = [model for model in list_models() if model.name == name]
    return next((model for model in named if model.weights.stem == kind), None)


def _raise_unknown(wanted: str, kind: ModelKind) -> NoReturn:
    names = sorted({model.name for model in list_models() if model.weights.stem == kind})
    if names:
        raise ModelError(f"There is no {kind} model {wanted!r}: take {' or '.join(names)}, or import it.")
    raise ModelError(
        f"There is no {kind} model {wanted!r}, and none other: import one with 'claim-slicer models import'."
    )


def verify(name: str) -> list[Model]:
    """Check every kind that the model ``name`` has, and return them. Raises ModelError."""
    models = [model for model in list_models() if model.name == name]
    if not models:
        raise ModelError(f"There is no model {name!r}: see 'claim-slicer models list'.")
    own = [model for model in models if model.weights.parent == models[0].weights.parent]
    for model in own:
        model.verify()
    return own


def check_new_model(folder: Path, kind: ModelKind, *, overwrite: bool = False) -> None:
    """Raise OutputError where ``folder`` holds a model of this kind, unless it may be written over."""
    if not overwrite and any((folder / f"{kind}{ending}").exists() for ending in (".safetensors", ".json")):
        raise OutputError(f"{folder} holds a {kind} model already: choose another folder, or --overwrite it.")


def save_model(
    folder: Path, name: str, state: Mapping[str, torch.Tensor], card_fields: Mapping[str, Any]
) -> Path:
    """Write ``<folder>/<kind>.safetensors`` with its card, and return the weights' path.

    ``card_fields`` holds the fields of :class:`ModelCard` beside ``name``, ``sha256``, ``made_with`` and
    ``format_version``, which are filled in here. An older model there is replaced only when the new one is
    written whole. Raises ModelError for a wrong field, OutputError when the place can't be written.
    """
    from safetensors.torch import save

    content = save({key: tensor.detach().cpu().contiguous() for key, tensor in state.items()})
    filled = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "made_with": made_with(),
    }
    card = ModelCard.from_fields({**card_fields, **filled})
    weights = make_folder(Path(folder)) / f"{card.kind}.safetensors"
    with written_with(weights, weights.with_suffix(".json")) as (temporary, card_file):
        temporary.write_bytes(content)
        card_file.write_text(card.to_json(), encoding="utf-8", newline="\n")
    return weights


def made_with() -> dict[str, str]:
    """Return the versions of what makes weights and results."""
    packages = {name: package_version(name) for name in ("torch", "numpy")}
    return {"claim-slicer": __version__, "python": platform.python_version(), **packages}
