"""The sample studies that Slicer's Sample Data module and the panel offer, made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from claimslicer.errors import SpecificationError
from claimslicer.studies.phantom.settings import PhantomScar, PhantomSettings


@dataclass(frozen=True)
class Sample:
    """A sample study: what the user reads, and what it is made of."""

    title: str
    description: str
    settings: PhantomSettings


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        "normal": Sample(
            "LGE phantom, normal heart",
            "No scar, to author one in",
            PhantomSettings(seed=7, scar=None),
        ),
        "infarct": Sample(
            "LGE phantom, anterior infarct with MVO",
            "12 ml infarct in the LAD territory with a core of microvascular obstruction",
            PhantomSettings(seed=11, scar=PhantomScar(volume_ml=12.0, mvo_ml=1.5)),
        ),
        "turned": Sample(
            "LGE phantom, inferolateral infarct, turned heart",
            "6 ml infarct, base first, the heart turned by 25° and the septum 105° wide",
            PhantomSettings(
                seed=23,
                apex_first=False,
                rotation_deg=25.0,
                septal_arc_deg=105.0,
                scar=PhantomScar(centre_deg=300.0, width_deg=90.0, volume_ml=6.0, transmurality=0.7),
            ),
        ),
    }
)


def sample_settings(name: str) -> PhantomSettings:
    """Return the settings of sample ``name``. Raises SpecificationError for a name that isn't there."""
    if name not in SAMPLES:
        raise SpecificationError(f"There is no sample study {name!r}: take {', '.join(SAMPLES)}.")
    return SAMPLES[name].settings
