"""``claim-slicer reproduce``: a result again from its recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claimslicer.cli.arguments import DeviceOption, LabelsOption, ModelOption, check_volume_outputs
from claimslicer.cli.reporting import EventsOption, reporting
from claimslicer.errors import NotReproduced, SpecificationError, StudyError

if TYPE_CHECKING:
    from claimslicer.cohorts.reproduce import Comparison
    from claimslicer.studies import Study


def reproduce(
    *,
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE.json", help="A result's recipe, or the result beside it.")
    ],
    study: Annotated[
        Path | None,
        typer.Option("--study", help="The study; else where the recipe says it lay.", show_default=False),
    ] = None,
    labels: LabelsOption = None,
    scar: Annotated[
        Path | None, typer.Option("--scar", help="The mask that was painted.", show_default=False)
    ] = None,
    intensity: Annotated[
        Path | None, typer.Option("--intensity", help="The mask's border zone.", show_default=False)
    ] = None,
    model: ModelOption = None,
    text_encoder: Annotated[
        Path | None,
        typer.Option("--text-encoder", help="Folder of the caption's encoder.", show_default=False),
    ] = None,
    device: DeviceOption = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the result.", show_default=False)
    ] = None,
    events: EventsOption = None,
) -> None:
    """Make a result of smile, synthesize, segment or cohort again, and compare it bit for bit.

    What went in must be what the recipe says, by its hashes. Ends with 1 where the result differs.
    """
    with reporting("reproduce", events) as report:
        from claimslicer.cohorts.reproduce import Inputs, compare, make_again, read_recipe
        from claimslicer.studies import read_intensity, read_scar_mask, write_volume

        record = read_recipe(recipe)
        files = _stored_files(recipe, record)
        if not files and out is None:
            raise SpecificationError("The recipe's result isn't beside it: give --out to make it there.")
        labels, scar, intensity = (
            given or _named(record, name)
            for name, given in (("labels", labels), ("scar", scar), ("intensity", intensity))
        )
        scan = _study(record, study, labels)
        read = [path for path in (recipe, study, labels, scar, intensity) if path is not None]
        synthetic = bool(record.get("synthetic"))
        check_volume_outputs(out, inputs=[*read, *files], synthetic=synthetic)
        inputs = Inputs(
            scan,
            None if scar is None else read_scar_mask(scar, scan),
            None if intensity is None else read_intensity(intensity, scan),
            model,
            text_encoder,
            device,
        )
        made = make_again(record, inputs)
        found = [compare(file, made, scan.geometry) for file in files]
        if out is not None:
            name = found[0].volume if found else next(iter(made))
            marks: dict[str, Any] = {"recipe": _without_file(record), "synthetic": synthetic}
            again = made[name]
            report.wrote(write_volume(out, again.array, scan.geometry, encoding=again.encoding, **marks))
        for comparison in found:
            report.record("compared", **_values(comparison))
        _judge(record, found)
        for comparison in found:
            report.say(f"Identical bit for bit: {comparison.file} ({comparison.volume})")


def _stored_files(recipe: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the results that lie with the recipe: the volume that it names, or those of a cohort's case."""
    from claimslicer.studies.readers.layout import volumes_in

    if "file" in record:
        return [file for file in [recipe.parent / record["file"]] if file.is_file()]
    folders = [folder for folder in sorted(recipe.parent.iterdir()) if folder.is_dir()]
    return [file for folder in folders for file in volumes_in(folder)] if "child" in record else []


def _study(record: Mapping[str, Any], given: Path | None, labels: Path | None) -> Study:
    from claimslicer.studies import read_study

    if given is not None:
        return read_study(given, labels)
    lay_at = record["source"].get("path")
    if not lay_at or not Path(lay_at).exists():
        raise StudyError(
            f"The study {record['source']['name']} isn't at {lay_at} any more: give it with --study."
        )
    return read_study(Path(lay_at), labels)


def _named(record: Mapping[str, Any], name: str) -> Path | None:
    """Return an input where the recipe says that it lay, if it does and it is there still."""
    path = (record.get("inputs") or {}).get(name)
    return Path(path) if path and Path(path).exists() else None


def _without_file(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("file", "claim_slicer", "notice")}


def _values(comparison: Comparison) -> dict[str, Any]:
    return {
        "file": str(comparison.file),
        "volume": comparison.volume,
        "identical": comparison.identical,
        "differing": comparison.differing,
    }


def _computed_otherwise(record: Mapping[str, Any]) -> str:
    """Return why the same versions may have given another result."""
    computed = record.get("computed")
    if computed is None:
        return "maybe it was made with another number of threads or on another device, which it doesn't say"
    return (
        f"it was made on {computed['device']} with {computed['threads']} threads, maybe on another processor"
    )


def _judge(record: Mapping[str, Any], found: Sequence[Comparison]) -> None:
    """Raise NotReproduced for the first file that differs, with what may be why."""
    from claimslicer.cohorts.reproduce import changed_versions

    for comparison in found:
        if not comparison.identical:
            changed = changed_versions(record)
            why = "; ".join(changed) or _computed_otherwise(record)
            raise NotReproduced(
                f"{comparison.file} differs from what was made again in {comparison.differing} voxels, by up "
                f"to {comparison.largest:g}: {why}."
            )
