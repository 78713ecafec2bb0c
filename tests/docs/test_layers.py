"""Imports point one way: from what users touch down to plain values, and adapters never know each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import harvester

HOME = Path(harvester.__file__).parent
BUILT = "_built"
"""The module that a build writes: it is there in an installed package, not in every clone."""

# From the bottom to the top: a package imports from lower ranks only, not from its neighbours within a rank.
RANKS = (
    {"errors", "_version", "model"},
    {"formatting", "palette", "demo"},
    {"fits", "vo", "catalog", "events"},
    {"readers"},
    {"engine", "verify", "ledger", "archive", "ui", "monitoring"},
    {"storage", "discovery", "plots", "specutils"},
    {"config"},
    {"audit", "dataset", "parallel"},
    {"report", "results"},
    {"run"},
    {"api", "browse", "diff"},
    {"cli", ""},
    {"__main__"},
)
RANK = {layer: rank for rank, layers in enumerate(RANKS) for layer in layers}

# What each may import of harvester, besides itself.
ONLY = {
    "ui": {"_version", "events", "model", "formatting", "errors", "palette"},
    "monitoring": {"_version", "events", "model", "formatting", "errors"},
    "demo": {"_version", "model", "formatting"},
    "plots": {"model", "fits", "formatting", "errors", "palette"},
}
NEVER = {
    "archive": {"storage", "ledger", "engine", "ui", "demo"},
    "storage": {"archive", "ledger", "ui", "demo"},
    "ledger": {"archive", "storage", "engine", "ui", "demo"},
    "engine": {"archive", "storage", "ledger", "ui", "demo", "audit"},
    "audit": {"archive", "ui", "demo"},
}


def modules() -> dict[str, Path]:
    """Every module of harvester by its dotted name below harvester."""
    found = {}
    for path in HOME.rglob("*.py"):
        if path.stem == BUILT:
            continue
        parts = path.relative_to(HOME).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(module: str) -> set[str]:
    """The modules of harvester that ``module`` imports, at its top, in functions, or for types only.

    The package itself imports none: what it lends is named for type checkers, and loaded when it is asked for.
    """
    if not module:
        return set()
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "harvester"]
            found |= {name.partition(".")[2] for name in names}
        elif isinstance(node, ast.ImportFrom):
            found |= _imported_from(node, [part for part in package if part])
    return found - {module, BUILT}


def _imported_from(node: ast.ImportFrom, package: list[str]) -> set[str]:
    said = (node.module or "").split(".") if node.module else []
    if node.level:
        base = package[: len(package) - node.level + 1] + said
    elif said[:1] == ["harvester"]:
        base = said[1:]
    else:
        return set()
    submodules = {".".join([*base, alias.name]) for alias in node.names} & set(MODULES)
    whole = {".".join(base)} if len(submodules) < len(node.names) else set()
    return submodules | whole


def layer_of(module: str) -> str:
    return module.partition(".")[0]


EDGES = [(module, imported) for module in MODULES for imported in imports(module)]


def test_the_imports_are_seen_at_all() -> None:
    assert ("engine.engine", "events") in EDGES, "from .. import events"
    assert ("archive.responses", "model.failures") in EDGES, "from ..model.failures import"
    assert ("ledger.writer", "_version") in EDGES, "from .._version import __version__"
    assert ("cli.options", "config.loading") in EDGES, "inside a function"
    assert all(imported in MODULES for _, imported in EDGES)


def test_every_module_has_its_rank() -> None:
    assert {layer_of(module) for module in MODULES} == set(RANK)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_from_its_own_package_and_lower_ranks_only(module: str) -> None:
    own = layer_of(module)
    wrong = {name for name in imports(module) if layer_of(name) != own and RANK[layer_of(name)] >= RANK[own]}
    assert not wrong


def test_the_root_of_the_package_stays_small() -> None:
    assert len({path.stem for path in HOME.glob("*.py")} - {"__init__", "__main__", BUILT}) <= 8


def test_no_modules_import_each_other_in_a_circle() -> None:
    tuple(TopologicalSorter({module: imports(module) for module in MODULES}).static_order())


@pytest.mark.parametrize("layer", sorted(ONLY))
def test_what_only_watches_or_only_pretends_knows_values_alone(layer: str) -> None:
    known = {layer_of(imported) for module, imported in EDGES if layer_of(module) == layer}
    assert known <= ONLY[layer] | {layer}


@pytest.mark.parametrize("layer", sorted(NEVER))
def test_adapters_and_engine_do_not_know_each_other(layer: str) -> None:
    known = {layer_of(imported) for module, imported in EDGES if layer_of(module) == layer}
    assert not known & NEVER[layer]


def test_nothing_but_the_entry_point_imports_the_command_line() -> None:
    assert {layer_of(module) for module, imported in EDGES if layer_of(imported) == "cli"} <= {"cli", "__main__"}


def loaded_by(statement: str, whole: bool = False) -> set[str]:
    """The top-level packages (or the ``whole`` names of modules) that a fresh interpreter has after ``statement``."""
    name = "name" if whole else "name.partition('.')[0]"
    code = f"{statement}; import sys; print(*{{{name} for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=HOME.parent, timeout=60
    )
    return set(done.stdout.split())


HEAVY = {"aiohttp", "astropy", "matplotlib", "numpy", "pydantic", "rich", "aiofiles"}


def test_the_package_itself_loads_nothing_until_it_is_requested() -> None:
    loaded = {name for name in loaded_by("import harvester", whole=True) if name.startswith("harvester.")}
    assert loaded - {f"harvester.{BUILT}"} == {"harvester._version"}
    assert "harvester.api" in loaded_by("import harvester; harvester.harvest", whole=True)


def test_nothing_but_the_package_lends_the_library() -> None:
    assert "api" not in {layer_of(imported) for _, imported in EDGES}


def test_the_command_line_answers_before_anything_heavy_is_loaded() -> None:
    loaded = loaded_by("import harvester.cli")
    assert "click" in loaded
    assert not loaded & HEAVY


def test_the_help_of_a_command_loads_nothing_heavy_either() -> None:
    loaded = loaded_by(
        "import contextlib, io\nfrom harvester.cli import commands\nwith contextlib.redirect_stdout(io.StringIO()):"
        " commands.main(['run', '--help'], prog_name='harvester', standalone_mode=False)\nimport sys"
    )
    assert not loaded & HEAVY


def test_the_core_needs_nothing_beyond_the_standard_library() -> None:
    packages = {"errors", "_version", "model", "formatting", "palette", "vo", "catalog", "events"}
    pure = {"engine.circuit_breaker", "engine.concurrency", "engine.interfaces", "engine.rate_limit", "engine.shutdown"}
    core = sorted(module for module in MODULES if layer_of(module) in packages or module in {*pure, "run.clock"})
    core.remove("model.limits")
    loaded = loaded_by("import " + ", ".join(f"harvester.{module}" for module in core))
    assert not loaded & (HEAVY | {"click", "annotated_types", "tomli_w"})
