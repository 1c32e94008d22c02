"""The interface for Python: types, names and reprs that an interactive session can use."""

import importlib
import inspect
from pathlib import Path

import claimslicer
import pytest
from claimslicer.anatomy import build_frame
from claimslicer.brief import LONGEST
from claimslicer.quantification import quantify
from claimslicer.smile import ScarSpec, generate_scar
from claimslicer.studies.phantom import PhantomSettings, make_phantom


def test_the_package_tells_that_it_has_types():
    assert (Path(claimslicer.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("room", ["segmentation", "synthesis", "smile", "anatomy", "studies", "review"])
def test_public_names_are_visible_and_there(room):
    module = importlib.import_module(f"claimslicer.{room}")
    for name in module.__all__:
        assert name in dir(module)
        assert getattr(module, name) is not None


def test_synthesize_names_its_options_as_its_variants_do():
    from claimslicer.synthesis import synthesize, synthesize_variants

    one, many = (inspect.signature(function).parameters for function in (synthesize, synthesize_variants))
    assert set(many) - {"seeds"} == set(one) - {"seed"}
    for name, parameter in one.items():
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        if name != "seed":
            assert parameter.default == many[name].default


def test_what_holds_arrays_is_shown_on_a_line():
    study = make_phantom(PhantomSettings(n_slices=5)).study
    frame = build_frame(study.labels, study.geometry)
    scar = generate_scar(ScarSpec((5,), 1.0), frame)
    for value in (study, frame, scar, quantify(study.labels, study.geometry, frame)):
        text = repr(value)
        assert text.startswith(type(value).__name__)
        assert len(text) <= LONGEST
        assert "\n" not in text
    assert f"image={study.image.dtype}[5×" in repr(study)
