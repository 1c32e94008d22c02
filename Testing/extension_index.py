"""Check what Slicer's extension index asks of an extension, as far as a program can.

    python Testing/extension_index.py                  # check
    python Testing/extension_index.py --address URL    # move to another GitHub repository

The conditions are those of the index's template for new extensions (tiers 1, 3 and 5) and of its catalogue's
schema. What a program can't see is printed at the end. The address is that of EXTENSION_HOMEPAGE in
CMakeLists.txt; ``--address`` rewrites every mention of it.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NAMES = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
ENTRY_NEEDED = {"$schema", "category", "scm_url"}
ENTRY_KNOWN = (
    ENTRY_NEEDED
    | {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory"}
    | {*("enabled", "tier", "dicom_support_rule")}
)
BINARIES = frozenset((".so", ".dll", ".dylib", ".exe", ".pyd", ".a", ".lib", ".whl", ".jar", ".zip"))
NETWORK = frozenset(("aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "urllib"))
NAMING_IT = ("CITATION.cff", "pyproject.toml", "docs/commands.md", "docs/how-it-works.md")
"""Files that name the repository, beside CMakeLists.txt and the catalogue's entry."""
MODULE_FILES = ("{0}.py", "CMakeLists.txt", "Resources/Icons/{0}.png", "Resources/UI/{0}.ui")
LARGEST_MB = 100.0
BY_HAND = (
    "The repository has the GitHub topic 3d-slicer-extension, and hides what is unused, such as its wiki.",
    "The addresses can be reached, and no related patent is known.",
    "The extension builds on Windows and macOS, and follows Slicer's conventions (tier 3).",
    "Maintainers answer issues, pull requests and the forum (tier 3).",
    "Who uses the shipped weights has agreed to their terms, which aren't permissive, before (tier 3).",
    "A Slicer core developer has commit right, and mends what changes of the core break (tier 5).",
)


def cmake_settings() -> dict[str, str]:
    """Return the extension's settings: quoted texts in the top CMakeLists.txt, as the index reads them."""
    found = re.findall(r'^set\(EXTENSION_(\w+) "([^"$]*)"\)$', _text("CMakeLists.txt"), re.M)
    return dict.fromkeys(NAMES, "") | dict(found)


def modules() -> list[str]:
    """Return the folders of the Slicer modules."""
    return list(re.findall(r"^add_subdirectory\((\w+)\)$", _text("CMakeLists.txt"), re.M))


def tracked() -> list[Path]:
    """Return the files of the checkout, relative to it; of a copy without Git, all that isn't made here."""
    if not (REPOSITORY / ".git").exists():
        found = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*") if path.is_file())
        return sorted(path for path in found if not _is_made_here(path))
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, encoding="utf-8"
    ).stdout
    return [Path(name) for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


def extension() -> str:
    """Return the extension's name."""
    return re.findall(r"^project\((\w+)\)", _text("CMakeLists.txt"), re.M)[0]


def check_description() -> Iterator[str]:
    """Check the settings of CMakeLists.txt, its addresses, icon and screenshots."""
    settings = cmake_settings()
    for name in NAMES:
        if not settings[name].strip():
            yield f"EXTENSION_{name} isn't a quoted text in CMakeLists.txt"
    if extension().startswith("Slicer"):
        yield "the extension's name begins with Slicer"
    if "slicer" not in settings["HOMEPAGE"].rsplit("/", 1)[-1].lower():
        yield "the repository's name doesn't hold Slicer"
    if not 1 <= len(re.findall(r"\.(?:\s|$)", settings["DESCRIPTION"])) <= 2:
        yield "the description isn't one or two sentences"
    for url in (settings["ICONURL"], *settings["SCREENSHOTURLS"].split()):
        file = url.removeprefix(_raw(settings["HOMEPAGE"]))
        if file == url or not (REPOSITORY / file).is_file():
            yield f"{url} is no file of this repository"
    if _png_size(REPOSITORY / settings["ICONURL"].removeprefix(_raw(settings["HOMEPAGE"]))) != (128, 128):
        yield "the extension's icon isn't 128 × 128 pixels"


def check_entry() -> Iterator[str]:
    """Check the entry for the index's catalogue against its schema and CMakeLists.txt."""
    settings = cmake_settings()
    file = f"{extension()}.json"
    if not (REPOSITORY / file).is_file():
        yield f"{file} is missing"
        return
    entry = json.loads(_text(file))
    if missing := sorted(ENTRY_NEEDED - set(entry)):
        yield f"{file} lacks {', '.join(missing)}"
    if unknown := sorted(set(entry) - ENTRY_KNOWN):
        yield f"the schema doesn't know {', '.join(unknown)} in {file}"
    wanted = {
        "category": settings["CATEGORY"],
        "scm_url": f"{settings['HOMEPAGE']}.git",
        "build_dependencies": settings["DEPENDS"].split(),
    }
    differing = [key for key in wanted if entry.get(key) != wanted[key]]
    yield from (f"{file} and CMakeLists.txt differ in {key}" for key in differing)
    if not 1 <= entry.get("tier", 1) <= 5:
        yield f"the tier in {file} isn't from 1 to 5"


def check_pages() -> Iterator[str]:
    """Check licence, README and tutorial."""
    readme, tutorial = _text("README.md"), _text("docs/tutorial.md")
    if not (REPOSITORY / "LICENSE.txt").is_file():
        yield "LICENSE.txt is missing"
    elif "Apache License" not in _text("LICENSE.txt") or "Apache License" not in readme:
        yield "the licence isn't named in the README"
    wanted = {
        "an image": r"!\[[^]]+\]\([^)]+\.(?:jpg|png)\)",
        "the publication": r"https://doi\.org/10\.",
        "what is sent anywhere": r"Nothing is sent anywhere",
    }
    missing = [what for what, pattern in wanted.items() if not re.search(pattern, readme)]
    yield from (f"the README lacks {what}" for what in missing)
    for module in modules():
        title = re.search(r'parent\.title = _\("([^"]+)"\)', _text(f"{module}/{module}.py"))
        if title is None or not re.search(rf"^- \*\*{title[1]}\*\* .+\.", readme, re.M | re.S):
            yield f"the README has no sentence for module {module}"
    if len(re.findall(r"!\[[^]]+\]\([^)]+\.(?:jpg|png)\)", tutorial)) < 3:
        yield "the tutorial has few screenshots"


def check_modules() -> Iterator[str]:
    """Check what each module must have, and that sample data are registered."""
    for name in modules():
        for file in (pattern.format(name) for pattern in MODULE_FILES):
            if not (REPOSITORY / name / file).is_file():
                yield f"{name}/{file} is missing"
        source = _text(f"{name}/{name}.py")
        classes = {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
        missing = {name, f"{name}Widget", f"{name}Logic", f"{name}Test"} - classes
        if missing:
            yield f"{name}.py lacks {', '.join(sorted(missing))}"
        for what in ("helpText", "contributors", "acknowledgementText", "categories"):
            if f"parent.{what} = " not in source:
                yield f"{name}.py doesn't set parent.{what}"
    if "registerCustomSampleDataSource" not in _text("ClaimSlicer/ClaimSlicerLib/sample_data.py"):
        yield "no sample data are registered"


def check_safety() -> Iterator[str]:
    """Check that there are no binaries, that nothing speaks to a network, and the size of the checkout."""
    files = tracked()
    yield from (f"{path} is a binary" for path in files if path.suffix.lower() in BINARIES)
    size = sum((REPOSITORY / path).stat().st_size for path in files) / 1e6
    if size > LARGEST_MB:
        yield f"the checkout has {size:.0f} MB"
    shipped = [path for path in files if path.suffix == ".py" and path.parts[0] in modules()]
    for path in shipped:
        for node in ast.walk(ast.parse(_text(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if used := sorted({name.split(".")[0] for name in names} & NETWORK):
                yield f"{path}:{node.lineno} imports {', '.join(used)}"  # type: ignore[attr-defined]


def check_address() -> Iterator[str]:
    """Check that who names the repository names that of CMakeLists.txt."""
    home = cmake_settings()["HOMEPAGE"]
    yield from (f"{path} doesn't name {home}" for path in NAMING_IT if home not in _text(path))


CHECKS: tuple[Callable[[], Iterator[str]], ...] = (
    *(check_description, check_entry, check_pages, check_modules, check_safety, check_address),
)


def move(address: str) -> list[Path]:
    """Rewrite every mention of the repository to ``address``; return the files changed."""
    old, new = cmake_settings()["HOMEPAGE"], address.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", new):
        raise SystemExit("Give an address such as https://github.com/OWNER/SlicerName.")
    changed = []
    for path in tracked():
        try:
            text = _text(path)
        except UnicodeDecodeError:
            continue
        moved = text.replace(old, new).replace(_raw(old), _raw(new))
        if moved != text:
            (REPOSITORY / path).write_text(moved, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


def main() -> int:
    """Check, or move; return 1 where a condition isn't met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--address", help="the GitHub repository to move to")
    address = parser.parse_args().address
    if address:
        print("\n".join(f"changed {path}" for path in move(address)))
        return 0
    wrong = [problem for check in CHECKS for problem in check()]
    print("\n".join(wrong or ["The extension index's conditions hold, as far as a program can see."]))
    if not wrong:
        print("To be seen to by hand:", *(f"- {condition}" for condition in BY_HAND), sep="\n")
    return int(bool(wrong))


def _is_made_here(path: Path) -> bool:
    folders = path.parts[:-1]
    hidden = any(part.startswith(".") or part.endswith((".egg-info", "__pycache__")) for part in folders)
    return hidden or folders[:1] in (("build",), ("dist",), ("claim-demo",))


def _text(path: Path | str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def _raw(home: str) -> str:
    """Return where the files of a GitHub repository's main branch are to be had."""
    return home.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"


def _png_size(path: Path) -> tuple[int, int]:
    """Return width and height from a PNG's header."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


if __name__ == "__main__":
    sys.exit(main())
