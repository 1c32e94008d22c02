"""The module SampleData: sources that other modules register, fetched by their own downloaders."""

from __future__ import annotations

from types import ModuleType

import slicer

from host import NotInHostError


class SampleDataSource:
    """One entry of the Sample Data module; its lists must be equally long, as in Slicer."""

    def __init__(
        self,
        sampleName=None,  # noqa: N803
        sampleDescription=None,  # noqa: N803
        uris=None,
        fileNames=None,  # noqa: N803
        nodeNames=None,  # noqa: N803
        checksums=None,
        loadFiles=None,  # noqa: N803
        customDownloader=None,  # noqa: N803
        thumbnailFileName=None,  # noqa: N803
        loadFileTypes=None,  # noqa: N803
        loadFileProperties=None,  # noqa: N803
    ) -> None:
        self.sampleName = sampleName
        self.sampleDescription = sampleName if sampleDescription is None else sampleDescription
        self.thumbnailFileName = thumbnailFileName
        self.customDownloader = customDownloader
        self.loadFileProperties = loadFileProperties or {}
        self.uris, self.fileNames = uris, fileNames
        lists = {
            "nodeNames": nodeNames,
            "checksums": checksums,
            "loadFiles": loadFiles,
            "loadFileTypes": loadFileTypes,
        }
        if isinstance(uris, str):
            self.uris, self.fileNames = [uris], [fileNames]
            lists = {name: [value] for name, value in lists.items()}
        else:
            count = len(uris)
            lists = {
                name: value if isinstance(value, (list, tuple)) else [value] * count
                for name, value in lists.items()
            }
        vars(self).update(lists)
        if any(len(getattr(self, name)) != len(self.uris) for name in ("fileNames", *lists)):
            raise ValueError("All fields of sample data source must have the same length")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleDataSource) and vars(self) == vars(other)

    __hash__ = None


class SampleDataLogic:
    """Registers sources and fetches them."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **fields) -> None:  # noqa: N802
        """Add a source to a category, once."""
        if "sampleDescription" in fields:
            raise TypeError("registerCustomSampleDataSource() got an unexpected argument 'sampleDescription'")
        source = SampleDataSource(**fields)
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in sources:
            sources.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):  # noqa: N802
        """Return the sources of a category, or of all."""
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def sourceForSampleName(self, name: str) -> SampleDataSource | None:  # noqa: N802
        """Return a source by its name."""
        for sources in slicer.modules.sampleDataSources.values():
            for source in sources:
                if source.sampleName == name:
                    return source
        return None

    def downloadSamples(self, name: str) -> list:  # noqa: N802
        """Refuse: Slicer would download; custom downloaders run when the user clicks the picture."""
        raise NotInHostError(f"The host downloads nothing ({name}); use click(name).")


def click(name: str) -> object:
    """Do what a click on a sample's picture does: call its own downloader with the source."""
    source = SampleDataLogic().sourceForSampleName(name)
    if source is None or source.customDownloader is None:
        raise NotInHostError(f"The host fetches samples with a downloader of their own only, not {name!r}.")
    return source.customDownloader(source)


def module() -> ModuleType:
    """Return the module ``SampleData``."""
    result = ModuleType("SampleData")
    result.SampleDataSource = SampleDataSource
    result.SampleDataLogic = SampleDataLogic
    return result
