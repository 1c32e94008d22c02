"""A short run of the fuzz (``make fuzz`` is the long one), and what it found before."""

import subprocess
import sys
from pathlib import Path

import pytest
from claimslicer.errors import SpecificationError, StudyError
from claimslicer.json_files import parse_json
from claimslicer.models.transfer import import_model
from claimslicer.studies import read_study
from claimslicer.training.data.cache import read_cache
from claimslicer.yaml_settings import read_yaml_settings

FUZZ = Path(__file__).resolve().parents[1] / "fuzz" / "fuzz.py"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits on a process's memory")
def test_spoilt_files_are_read_or_refused():
    ended = subprocess.run(
        [sys.executable, str(FUZZ), "--count", "135", "--seed", "20"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "135 inputs, seed 20: 0 failed" in ended.stdout


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_json_that_never_ends_is_none(text):
    with pytest.raises(ValueError, match=r"nested|digits"):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        "a: 2001-99-99\n",
        "a: " + "[" * 5000,
        "a: !!python/object/apply:os.system [true]\n",
        "a: \x01\n",
    ],
)
def test_yaml_that_is_none(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecificationError, match="can't be read as YAML"):
        read_yaml_settings(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "header",
    [
        b"NDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementDataFile = %d.raw 1 9 1\n",
        b"NDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementDataFile = ../../secret\n",
        b"NDims = 3\nDimSize = 0 4 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        b"NDims = 2000000000\nDimSize = 4\n",
        b"NRRD0004\ntype: float\ndimension: 3\nsizes: 4 4 4\nspace directions: (4,0,(4,0 (4,\n\n",
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
def test_headers_that_would_take_itk_down(tmp_path, header, suffix):
    (tmp_path / f"a{suffix}").write_bytes(header)
    with pytest.raises(StudyError):
        read_study(tmp_path / f"a{suffix}")


def test_damaged_archives(tmp_path):
    import numpy as np
    from claimslicer.errors import ModelError

    for name, read, error in (("a.zip", import_model, ModelError), ("a.npz", read_cache, StudyError)):
        with (tmp_path / name).open("wb") as stream:
            np.savez_compressed(stream, header=np.zeros(3000), x=np.random.default_rng(0).normal(size=3000))
        content = bytearray((tmp_path / name).read_bytes())
        content[200:400] = b"\xff" * 200
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error):
            read(tmp_path / name)
