"""Painting scar into images: normalisation, network, diffusion, samplers, inpainting, texture."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claimslicer.synthesis.inpaint import synthesize, synthesize_variants
    from claimslicer.synthesis.result import SynthesisResult

__all__ = ["SynthesisResult", "synthesize", "synthesize_variants"]


def __getattr__(name: str) -> Any:
    """Import torch only when something is painted: Slicer panels import this package at start-up."""
    if name in __all__:
        from claimslicer.synthesis import inpaint

        return getattr(inpaint, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return list(__all__)
