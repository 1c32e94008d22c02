"""Build what a release is, sdist and wheel, and try them: installed alone, the program runs its demo.

    python Testing/release.py [--out build/dist]

The wheel is built from the sdist, so that both are whole. Exits with 1 where something is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from extension_index import tracked

LIBRARY = Path("ClaimSlicer", "claimslicer")
REPOSITORY = Path(__file__).resolve().parents[1]
VERSIONS = {
    "pyproject.toml": r'^version = "(.+)"$',
    "ClaimSlicer/claimslicer/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
    "CHANGELOG.md": r"^## \[(.+?)\]",
}
"""Where the version stands, and how; in the changelog the first section's counts."""


def versions() -> dict[str, str]:
    """Return the version that each file names."""
    texts = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in VERSIONS}
    return {name: re.findall(pattern, texts[name], re.M)[0] for name, pattern in VERSIONS.items()}


def missing_in(wheel: Path) -> list[str]:
    """Return the library's files of the checkout that a wheel lacks."""
    library = (path.relative_to("ClaimSlicer") for path in tracked() if path.is_relative_to(LIBRARY))
    with zipfile.ZipFile(wheel) as archive:
        return sorted({path.as_posix() for path in library} - set(archive.namelist()))


def build(out: Path) -> tuple[Path, Path]:
    """Build the sdist, and from it the wheel, into the folder ``out``; return both files."""
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})"
    _run("-c", code, cwd=REPOSITORY)
    (sdist,) = out.glob("*.tar.gz")
    _run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out), str(sdist))
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def try_out(wheel: Path, folder: Path) -> Path:
    """Install a wheel into ``folder``, without what it needs, and run its demo there; return the report."""
    installed, elsewhere = folder / "installed", folder / "elsewhere"
    elsewhere.mkdir()
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(wheel))
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    where = "import claimslicer; print(claimslicer.__file__)"
    found = _run("-c", where, cwd=elsewhere, env=environment).stdout.strip()
    if not Path(found).is_relative_to(installed):
        raise SystemExit(f"Another claimslicer was found, at {found}.")
    _run("-m", "claimslicer", "demo", "--out", "demo", cwd=elsewhere, env=environment)
    return elsewhere / "demo" / "report.html"


def main() -> int:
    """Check the versions, build, and try what was built; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "dist")
    out = parser.parse_args().out.resolve()
    named = versions()
    if len(set(named.values())) > 1:
        print(
            "The version differs:", *(f"{version} in {name}" for name, version in named.items()), sep="\n  "
        )
        return 1
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sdist, wheel = build(out)
    if missing := missing_in(wheel):
        print("The wheel lacks:", *missing, sep="\n  ")
        return 1
    trial = out / "trial"
    trial.mkdir()
    report = try_out(wheel, trial)
    if not report.is_file():
        print("The demo of the installed wheel wrote no report.")
        return 1
    shutil.rmtree(trial)
    print(*(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB" for path in (sdist, wheel)), sep="\n")
    print(f"Installed alone, version {named['pyproject.toml']} runs its demo.")
    return 0


def _run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:4])} failed:\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    sys.exit(main())
