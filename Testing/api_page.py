"""Keep docs/api.md: the public names of the library, made from their signatures and docstrings.

    python Testing/api_page.py

rewrites the page. ``Testing/library/test_docs.py`` fails while it differs from the code.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
ROOMS = ("studies", "anatomy", "smile", "synthesis", "segmentation", "quantification", "review")
HEAD = """# Reference for Python

Made from the docstrings by `Testing/api_page.py`; [Python](python.md) shows how they go together.

Arrays are `(z, y, x)`, places millimetres in LPS. Errors from bad input are classes of `claimslicer.errors`,
each with one sentence.
"""


def page() -> str:
    """Return the page."""
    text = HEAD + "".join(_room(room) for room in ROOMS)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _room(room: str) -> str:
    module = importlib.import_module(f"claimslicer.{room}")
    names = [name for name in sorted(module.__all__) if _is_documented(getattr(module, name))]
    first = (inspect.getdoc(module) or "").splitlines()[0]
    parts = [_entry(name, getattr(module, name)) for name in names]
    return f"\n## claimslicer.{room}\n\n{_plain(first)}\n" + "".join(parts)


def _is_documented(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def _entry(name: str, value: Any) -> str:
    kind = "class " if inspect.isclass(value) else ""
    text = f"\n### {name}\n\n```\n{kind}{name}{_signature(value)}\n```\n\n{_described(value)}\n"
    if not inspect.isclass(value):
        return text
    text += "\n"
    for member, inner in sorted(vars(value).items()):
        if member.startswith("_") or member in {item.name for item in _fields(value)}:
            continue
        function = inner.fget if isinstance(inner, property) else getattr(inner, "__func__", inner)
        function = getattr(function, "func", function)  # a cached property
        if inspect.isfunction(function) and inspect.getdoc(function):
            call = "" if isinstance(inner, property) else "()"
            text += f"- `.{member}{call}`: {_first_sentence(function)}\n"
    return text


def _fields(value: type) -> tuple[Any, ...]:
    return dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()


def _signature(value: Any) -> str:
    """Return the parameters, one a line where there are many; defaults that hold addresses are shortened."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [re.sub(r"<[^<>]*>", "…", str(one)) for one in signature.parameters.values()]
    if any(one.kind is inspect.Parameter.KEYWORD_ONLY for one in signature.parameters.values()):
        kinds = [one.kind for one in signature.parameters.values()]
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returned = signature.return_annotation
    after = "" if inspect.isclass(value) or returned is inspect.Signature.empty else f" -> {_name(returned)}"
    parameters = [one.replace("claimslicer.", "").replace("'", "") for one in parameters]
    line = f"({', '.join(parameters)}){after}"
    return line if len(line) < 90 else "(\n    " + ",\n    ".join(parameters) + f",\n){after}"


def _name(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _described(value: Any) -> str:
    return _plain(inspect.getdoc(value) or "")


def _first_sentence(function: Any) -> str:
    return _plain((inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " "))


def _plain(text: str) -> str:
    """Turn reStructuredText's marks into Markdown's."""
    text = re.sub(r":\w+:`~?(?:claimslicer\.)?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
