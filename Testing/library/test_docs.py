"""The documentation holds: links lead somewhere, code blocks are what the program reads, nothing is stale."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
import yaml
from claimslicer.cli.main import app
from claimslicer.cohorts.config import CohortConfig
from claimslicer.evaluation.config import EvaluationConfig
from claimslicer.experiments.config import ExperimentConfig
from claimslicer.training.settings.config import SegmentationConfig
from claimslicer.training.settings.joint_config import JointConfig, stages

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
ROOT = typer.main.get_command(app)
READERS = {
    "pretrain_segmenter_steps": JointConfig,
    "sources": CohortConfig,
    "arms": ExperimentConfig,
    "cache": SegmentationConfig,
    "data": EvaluationConfig,
}
"""Which settings a YAML block is: the first of these names that it holds tells."""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks of one language ("" for commands)."""
    fenced = re.findall(r"^```(.*?)\n(.*?)^```$", text_of(page), re.M | re.S)
    return [block for named, block in fenced if named == language]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return set(bare)


def commands(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command below a group."""
    for name, command in getattr(group, "commands", {}).items():  # Typer's groups needn't be click's
        below = list(commands(command, (*words, name)))
        yield from below or [(*words, name)]


def written_commands(page: Path) -> list[str]:
    """Return every call of the program on a page, in blocks and in the text."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    lines += re.findall(r"(?<!`)`(claim-slicer [^`]+)`", prose(page).replace("\n", " "))
    found = [part for line in lines for part in re.findall(r"claim-slicer [^()#;]+", line)]
    return [re.sub(r"\\\|", "|", call) for call in found]


def unknown_in(call: str) -> list[str]:
    """Return the words of a call that the program doesn't know; alternatives are written a|b."""
    words = [word.strip("[]") for word in re.sub(r"['\"]", "", call).split()[1:]]
    if words[0].isupper():  # claim-slicer COMMAND --help
        return []
    command = ROOT
    while words and hasattr(command, "commands"):
        names = words.pop(0).split("|")
        missing = [name for name in names if name not in command.commands]
        if missing:
            return missing
        command = command.commands[names[0]]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return [word for word in words if word.startswith("--") and word not in options]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_program_knows_every_command_and_option_that_is_written(page):
    wrong = [call for call in written_commands(page) for problem in [unknown_in(call)] if problem]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    roots = [REPOSITORY, *(REPOSITORY / "ClaimSlicer" / name for name in ("", "claimslicer"))]
    named = re.findall(r"`([\w/]+/\w+\.(?:py|yaml|md))`", prose(page))
    assert not [name for name in named if not any((root / name).is_file() for root in roots)]


def test_every_command_has_a_row_in_the_readme_and_a_page():
    readme = text_of(REPOSITORY / "README.md")
    rows = re.findall(r"^\| `claim-slicer ((?:[^`\\]|\\.)+)`", readme, re.M)
    shown = set()
    for row in rows:
        first, *rest = row.replace("\\|", "|").split()
        group = hasattr(ROOT.commands.get(first), "commands")
        shown |= {(first, name) for name in rest[0].split("|")} if group else {(first,)}
    assert set(commands(ROOT)) == shown
    pages = text_of(REPOSITORY / "docs" / "commands.md").split("## What holds for all")[0]
    assert not [name for name in ROOT.commands if f"`{name}`" not in pages]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_blocks_are_settings_that_the_program_takes(page, tmp_path):
    for number, block in enumerate(blocks(page, "yaml")):
        values = yaml.safe_load(block)
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        reader = next((READERS[key] for key in READERS if key in values), None)
        if reader is not None:
            assert reader.from_yaml(file)


def test_the_settings_of_joint_training_mean_what_is_said(tmp_path):
    full, short = (
        block
        for block in blocks(REPOSITORY / "docs" / "training.md", "yaml")
        if "pretrain_segmenter_steps" in block
    )
    (tmp_path / "joint.yaml").write_text(full, encoding="utf-8")
    config = JointConfig.from_yaml(tmp_path / "joint.yaml")
    assert config.out == tmp_path.resolve() / "joint"
    assert config.scar_target().extent_percent.shares == (0.3, 0.4, 0.3)
    (tmp_path / "short.yaml").write_text(short, encoding="utf-8")
    config = JointConfig.from_yaml(tmp_path / "short.yaml")
    assert list(stages(config)) == ["joint"]
    assert (config.initial_segmenter, config.initial_generator) == ("emidec", "emidec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_import_what_there_is(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("claimslicer"):
                module = importlib.import_module(node.module)
                assert not [one.name for one in node.names if not hasattr(module, one.name)]


def test_the_way_from_python_works_on_a_real_study(shared_data, monkeypatch):
    (block,) = blocks(REPOSITORY / "docs" / "commands.md", "python")
    monkeypatch.chdir(shared_data / "emidec")
    names = {}
    exec(block, names)
    changed = names["result"].image != names["study"].image
    assert changed.any()
    assert not (changed & (names["result"].band == 0)).any()


def test_the_page_of_settings_is_that_of_the_code(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(REPOSITORY / "Testing"), *sys.path])
    settings_page = importlib.import_module("settings_page")
    assert settings_page.page() == text_of(settings_page.PAGE), "run: python Testing/settings_page.py"


def test_the_reference_is_that_of_the_docstrings(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(REPOSITORY / "Testing"), *sys.path])
    api_page = importlib.import_module("api_page")
    assert api_page.page() == text_of(api_page.PAGE), "run: python Testing/api_page.py"


def test_the_readme_is_read_in_five_minutes_and_make_knows_what_it_says():
    assert len(text_of(REPOSITORY / "README.md").splitlines()) <= 200
    targets = set(re.findall(r"^([a-z]+):", text_of(REPOSITORY / "Makefile"), re.M))
    said = {name for page in PAGES for name in re.findall(r"(?:`|^)make ([a-z]+)", text_of(page), re.M)}
    assert said <= targets
