"""The page of the Python API, from the docstrings of what ``import harvester`` offers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import harvester
from harvester.audit.check_store import StoreCheck
from harvester.fits.observation import Observation
from harvester.fits.spectrum import Spectrum
from harvester.ledger.queries import FailureRecord
from harvester.run.prepare import Preparation
from tests.docs.markdown import attribute_docs, code, markdown, summary, table


def api_page() -> str:
    """Return the Python API, from its docstrings."""
    names = sorted(harvester.__all__, key=lambda name: (isinstance(getattr(harvester, name), type), name))
    sections = [api_section(getattr(harvester, name), f"harvester.{name}") for name in names]
    values = [class_section(value, value.__name__) for value in VALUES]
    return "\n\n".join(["# Python API", API_INTRODUCTION, *sections, VALUES_INTRODUCTION, *values]) + "\n"


API_INTRODUCTION = """Everything that `import harvester` offers. The [guide](../guide/python.md) shows how to use it;
`**settings` are the [settings](settings.md)."""


VALUES_INTRODUCTION = "## Values\n\nWhat the functions and classes above return. They are not meant to be constructed."


VALUES: tuple[type, ...] = (FailureRecord, Observation, Spectrum, Preparation, StoreCheck)


def api_section(value: Any, name: str) -> str:
    """Return the section of a function, an exception or a class."""
    text = markdown(inspect.getdoc(value) or "")
    if not isinstance(value, type):
        return f"## {name}\n\n{signature(value, name)}\n\n{text}"
    if issubclass(value, Exception):
        return f"## {name}\n\n{text} Exit code {getattr(value, 'exit_code', 1)}."
    return class_section(value, name)


def class_section(value: type, name: str) -> str:
    """Return the section of a class: what it is, its fields, its properties and its methods."""
    rows = [*field_rows(value), *member_rows(value)]
    return f"## {name}\n\n{markdown(inspect.getdoc(value) or '')}\n\n{table(('attribute', 'meaning'), rows)}"


def field_rows(value: type) -> list[tuple[str, str]]:
    """Return the public fields of a dataclass, with their types and the docstrings behind them."""
    docs = attribute_docs(value)
    shown = [field for field in fields(value) if not field.name.startswith("_")] if is_dataclass(value) else []
    return [(code(field.name), f"{code(field.type)} {docs.get(field.name, '')}".strip()) for field in shown]


OPERATORS = {"__getitem__": "[{}]", "__contains__": "{} in", "__iter__": "iter()", "__len__": "len()"}


def member_rows(value: type) -> list[tuple[str, str]]:
    """Return the properties, methods and operators of ``value`` that have a docstring."""
    known = {field.name for field in fields(value)} if is_dataclass(value) else set()
    found = {name: inspect.getattr_static(value, name) for name in vars(value) if name not in known}
    shown = {name: member for name, member in found.items() if not name.startswith("_") or name in OPERATORS}
    return [(code(spelling(name, member)), text) for name, member in shown.items() if (text := doc_of(member))]


def doc_of(member: Any) -> str:
    """Return the docstring of a property or method of this package, as one line; empty for anything else."""
    function = getattr(member, "fget", None) or getattr(member, "func", None) or member
    return summary(function) if inspect.isfunction(function) else ""


def spelling(name: str, member: Any) -> str:
    """Return how an attribute is written: ``name``, ``name(arguments)``, or as an operator."""
    arguments = short_signature(member) if inspect.isfunction(member) else ""
    return OPERATORS[name].format(arguments[1:-1]) if name in OPERATORS else f"{name}{arguments}"


def short_signature(function: Callable[..., Any]) -> str:
    """Return the parameters of a method, without types."""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return f"({', '.join(names)})"


def signature(function: Callable[..., Any], name: str) -> str:
    """Return the call of ``function`` as a code block, a parameter per line."""
    found = inspect.signature(function)
    lines = ["*," if keyword_only else f"{parameter}," for parameter, keyword_only in _with_marker(found)]
    prefix = "await " if inspect.iscoroutinefunction(function) else ""
    call = "\n    ".join([f"{prefix}{name}(", *lines])
    return f"```text\n{call}\n) -> {found.return_annotation}\n```".replace("'", "")


def _with_marker(found: inspect.Signature) -> Iterator[tuple[inspect.Parameter, bool]]:
    """Each parameter, the first keyword-only one behind a marker."""
    marked = False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            marked = True
            yield parameter, True
        yield parameter, False
