"""The codes are those that DICOM's own dictionary gives for the same words."""

import pytest
from claimslicer import terms
from claimslicer.anatomy.aha import SEGMENTS
from claimslicer.labels import Label, ScarLabel

concepts = pytest.importorskip("pydicom.sr._concepts_dict").concepts["SCT"]


def test_every_label_and_segment_has_a_term():
    assert set(terms.LABEL_TERMS) == set(Label) - {Label.BACKGROUND}
    assert set(terms.SCAR_TERMS) == set(ScarLabel) - {ScarLabel.NONE}
    assert set(terms.SEGMENT_TERMS) == set(SEGMENTS)


@pytest.mark.parametrize("number", range(1, 17))
def test_wall_segments_are_dicoms_context_group_3717(number):
    code = terms.SEGMENT_TERMS[number].type
    ((meaning, groups),) = [
        concept[code.value] for concept in concepts.values() if 3717 in concept.get(code.value, ("", ()))[1]
    ]
    assert 3717 in groups
    assert code.meaning == meaning == f"left ventricle {SEGMENTS[number].name} segment"


def test_other_codes_mean_what_they_say():
    every = [*terms.LABEL_TERMS.values(), *terms.SCAR_TERMS.values(), terms.SEGMENT_TERMS[17]]
    codes = {c for term in every for c in (term.category, term.type, term.region) if c and c.scheme == "SCT"}
    # These two are named otherwise there: SNOMED's "Body structure", and the wall of the left ventricle only.
    codes = {code for code in codes if code.meaning not in ("Anatomical Structure", "Myocardium")}
    assert len(codes) == 6
    for code in codes:
        meanings = {concept[code.value][0] for concept in concepts.values() if code.value in concept}
        assert code.meaning in meanings
