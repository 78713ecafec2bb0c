"""Nothing is said of ``1 spectra``: a number before a noun in the plural comes from ``plural``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import harvester
from harvester.formatting import are, plural

HOME = Path(harvester.__file__).parent
PLURAL = re.compile(
    r" (?:(?:further|more|other|stored) )*(?:[a-z]+(?<![aiu]s)s|spectra|bodies|entries|are|were|have|do)\\b"
)
NEVER_ONE = {
    "bytes", "members", "numbers", "pixels", "columns", "characters",  # of a limit, or of what exceeds it
    "rows have a fault", "rows, too many", "points its flux", "values of flux",
}  # fmt: skip
"""How texts go on after a number that is two at least."""
WHOLE = {" spectra ", " spectra"}
"""What stands between such a number and the next value, or the end."""


def numbers(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line, and what follows, of each number that is written for people without ``plural``."""
    for text in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(text, ast.JoinedStr):
            continue
        for part, after in zip(text.values, text.values[1:], strict=False):
            is_number = isinstance(part, ast.FormattedValue) and ast.unparse(part.value).startswith("count(")
            if is_number and isinstance(after, ast.Constant):
                yield text.lineno, str(after.value)


def test_a_number_before_a_plural_noun_comes_from_plural() -> None:
    wrong = [
        f"{path.relative_to(HOME)}:{line}: {after.strip()}"
        for path in sorted(HOME.rglob("*.py"))
        for line, after in numbers(path)
        if PLURAL.match(after) and after not in WHOLE and not any(after.startswith(f" {known}") for known in NEVER_ONE)
    ]
    assert wrong == []


def test_thousands_are_separated_in_one_way() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in HOME.rglob("*.py")}
    assert [str(path.relative_to(HOME)) for path, text in texts.items() if re.search(r":,[.}]", text)] == [
        "formatting.py"
    ]
    scripts = {path: path.read_text(encoding="utf-8") for path in HOME.rglob("*.js")}
    assert len(scripts) > 5
    assert [path.name for path, text in scripts.items() if "toLocaleString" in text] == []
    assert [path.name for path, text in scripts.items() if re.search(r"\$\{count\([^}]*\)\} [a-z]+s\b", text)] == []


def test_one_is_one() -> None:
    assert [plural(number, "spectrum is", "spectra are") for number in (1, 2, 1000)] == [
        "1 spectrum is", "2 spectra are", "1 000 spectra are",
    ]  # fmt: skip
    assert (are(1), are(0), are(2)) == ("is", "are", "are")
