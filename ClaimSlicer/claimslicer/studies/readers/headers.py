"""Headers of NRRD and MetaImage, looked at before ITK is: some that are spoilt would end the program."""

from __future__ import annotations

import re
from pathlib import Path

from claimslicer.errors import StudyError
from claimslicer.studies.readers.sizes import check_size

MOST_BYTES = 2**20
"""A header ends long before that; one of a segmentation with thousands of segments too."""
MOST_DIMENSIONS = 5
MOST_CHANNELS = 1000
_VECTOR = re.compile(r"none|\([^()]*\)")


def check_header(path: Path) -> None:
    """Raise StudyError for a header that claims what no volume has, or data that aren't there."""
    try:
        with path.open("rb") as stream:
            start = stream.read(MOST_BYTES)
    except OSError as error:
        raise StudyError(f"{path} can't be read ({error.strerror}); copy it again.") from error
    try:
        if path.suffix.lower() in (".mha", ".mhd"):
            _check_metaimage(start, path)
        else:
            _check_nrrd(start, path)
    except (ValueError, KeyError, IndexError) as error:
        raise StudyError(
            f"{path} is damaged or not of the type that its name says; export it again."
        ) from error


def _check_metaimage(start: bytes, path: Path) -> None:
    fields: dict[str, str] = {}
    for line in start.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if not equals:
            raise ValueError("no line of a header")
        fields[name.strip().decode("ascii")] = value.strip().decode("utf-8")
        if "ElementDataFile" in fields:
            break
    sizes = [int(size) for size in fields["DimSize"].split()]
    _check_sizes(sizes, int(fields["NDims"]), path)
    if not 1 <= int(fields.get("ElementNumberOfChannels", "1")) <= MOST_CHANNELS:
        raise ValueError("channels")
    if fields["ElementDataFile"].upper() != "LOCAL":
        _check_beside(fields["ElementDataFile"], path)


def _check_nrrd(start: bytes, path: Path) -> None:
    lines = start.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n")
    if not lines[0].startswith(b"NRRD000"):
        raise ValueError("no NRRD")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        if line.startswith(b"#") or b":=" in line:
            continue
        name, _, value = line.partition(b":")
        fields[name.strip().decode("ascii").lower()] = value.strip().decode("utf-8")
    sizes = [int(size) for size in fields["sizes"].split()]
    _check_sizes(sizes, int(fields["dimension"]), path)
    for key, count in (("space directions", len(sizes)), ("space origin", 1)):
        if key in fields:
            _check_vectors(fields[key], count)
    for key in ("data file", "datafile"):
        if key in fields:
            _check_beside(fields[key], path)


def _check_vectors(text: str, count: int) -> None:
    """Raise ValueError unless ``text`` holds as many vectors as there are axes, of few numbers."""
    vectors = _VECTOR.findall(text)
    if len(vectors) != count or _VECTOR.sub("", text).strip():
        raise ValueError("vectors")
    for vector in vectors:
        numbers = [] if vector == "none" else [float(number) for number in vector[1:-1].split(",")]
        if len(numbers) > MOST_DIMENSIONS:
            raise ValueError("coordinates")


def _check_sizes(sizes: list[int], dimensions: int, path: Path) -> None:
    if len(sizes) != dimensions or not 1 <= dimensions <= MOST_DIMENSIONS or min(sizes) < 1:
        raise ValueError("sizes")
    check_size(sizes, 1, path)


def _check_beside(name: str, path: Path) -> None:
    """Raise StudyError unless the data lie in one file in the folder of their header."""
    if not name or Path(name).name != name or not (path.parent / name).is_file():
        raise StudyError(f"The data of {path} aren't in one file beside it ({name[:80]!r}); save it anew.")
