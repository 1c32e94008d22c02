"""Taking models in from files, folders and zip archives, giving them out as archives, removing them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

from claimslicer.errors import ModelError, OutputError
from claimslicer.models.card import KINDS, check_name
from claimslicer.models.registry import (
    PICKLES,
    SHIPPED,
    Model,
    list_models,
    models_in,
    user_folder,
    verify,
)
from claimslicer.outputs import check_output, make_folder, output_error, written_whole

SUFFIXES = (".safetensors", ".json", ".md", ".txt", "")
"""What belongs to a model: weights, card, notes, and files without suffix such as LICENSE."""
MAX_BYTES = 4 * 1024**3


def import_model(source: Path, *more: Path, name: str | None = None) -> list[Model]:
    """Copy a model into the user's folder and return what came in, checked.

    ``source`` is a weights file with its card beside it, a folder of such, or a zip archive of such a folder;
    ``more`` are other kinds of the same model. The model takes the name on its cards, or ``name``. Raises
    ModelError when it isn't right or the name is taken.
    """
    if not source.exists():
        raise ModelError(f"There is no {source}: check the name of the file or folder to import.")
    root = make_folder(user_folder())
    with tempfile.TemporaryDirectory(dir=root, prefix=".import-") as temporary:
        staged = Path(temporary)
        try:
            for one in (source, *more):
                _stage(one, staged)
        except OSError as error:
            raise output_error(root, error) from error
        own_name = _checked_name(source, staged)
        name = own_name if name is None else _renamed(staged, name)
        target = root / name
        if target.exists() or (SHIPPED / name).exists():
            raise ModelError(
                f"There is a model {name!r} already: remove it first, or give the new one another --name."
            )
        staged.rename(target)
        staged.mkdir()  # the context manager removes it
    return models_in(target)


def _renamed(staged: Path, name: str) -> str:
    """Write another name onto what is staged; return it."""
    check_name(name)
    for model in models_in(staged):
        model.card_file.write_text(replace(model.card, name=name).to_json(), encoding="utf-8", newline="\n")
    return name


def export_model(name: str, archive: Path) -> Path:
    """Write the checked model ``name`` with its licence and notes to a zip archive, and return its path.

    Raises ModelError when the model is not there or damaged, OutputError when the place can't be written.
    """
    if archive.suffix != ".zip":
        raise OutputError(f"Can't export to {archive}: give a name that ends in .zip.")
    check_output(archive)
    if archive.exists():
        raise OutputError(f"Can't export to {archive}: it exists; choose another name.")
    folder = verify(name)[0].weights.parent
    with (
        written_whole(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix in SUFFIXES:
                packed.write(path, f"{name}/{path.name}")
    return archive


def remove_model(name: str) -> None:
    """Remove the user's own model ``name`` with all its files; shipped ones stay.

    Raises ModelError when the user has no such model, OutputError when its files can't be removed.
    """
    own = user_folder()
    if not any(model.name == name and model.weights.parent.parent == own for model in list_models()):
        raise ModelError(f"{name!r} is none of your own models, so it isn't removed.")
    # Renamed first, so that a model that is only half removed is never listed.
    doomed = own / f".remove-{name}"
    try:
        (own / name).rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise output_error(own / name, error) from error


def _stage(source: Path, staged: Path) -> None:
    """Copy the files that belong to the model into the empty folder ``staged``."""
    if source.suffix.lower() in PICKLES:
        raise ModelError(
            f"{source.name} may be a pickle, which can run any program: give .safetensors files."
        )
    if source.is_dir():
        paths = [path for path in source.iterdir() if path.is_file() and path.suffix in SUFFIXES]
    elif source.suffix == ".safetensors":
        paths = [source, source.with_suffix(".json")]
    elif zipfile.is_zipfile(source):
        return _unpack(source, staged)
    else:
        raise ModelError(f"{source} is no model: give a .safetensors file, a folder or a zip archive.")
    for path in paths:
        if not path.is_file():
            raise ModelError(f"{source} has no card: {path.name} must lie beside it.")
        shutil.copyfile(path, staged / path.name)
    return None


def _unpack(source: Path, staged: Path) -> None:
    """Unpack the archive's files, whatever folders they are in, under their bare names."""
    try:
        with zipfile.ZipFile(source) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise ModelError(f"{source} unpacks to more than 4 GiB: that is no model of this program.")
            for entry in entries:
                name = PurePosixPath(entry.filename.replace("\\", "/")).name
                if PurePosixPath(name).suffix in SUFFIXES and not name.startswith("."):
                    with packed.open(entry) as content, (staged / name).open("xb") as copy:
                        shutil.copyfileobj(content, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{source} is a damaged or protected zip archive: get it again.") from error
    except FileExistsError as error:
        raise ModelError(f"{source} holds two files of the same name: give one model at a time.") from error


def _checked_name(source: Path, staged: Path) -> str:
    """Verify what is staged, name its files by kind, and return the one name on its cards."""
    found = [Model(weights) for weights in sorted(staged.glob("*.safetensors"))]
    if not found:
        raise ModelError(f"{source} holds no .safetensors weights: give a model's file, folder or archive.")
    try:
        for model in found:
            model.verify()
    except ModelError as error:
        raise ModelError(str(error).replace(str(staged), str(source))) from error
    if len({model.card.kind for model in found}) < len(found) or len({m.card.name for m in found}) > 1:
        raise ModelError(f"{source} holds more than one model: give one at a time.")
    if any(model.weights.stem in KINDS and model.weights.stem != model.card.kind for model in found):
        raise ModelError(f"{source} has a file named after another kind than its card says: rename it.")
    for model in found:
        model.card_file.replace(staged / f"{model.card.kind}.json")
        model.weights.replace(staged / f"{model.card.kind}.safetensors")
    return found[0].card.name
