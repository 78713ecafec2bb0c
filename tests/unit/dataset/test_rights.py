"""What an archive states of its rights, as cards and citations have it; hostile text stays text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.archive.profile import ArchiveProfile
from harvester.dataset.markdown import as_code, as_text, table
from harvester.dataset.rights import NO_RIGHTS, licence_of, rights_of, web_address
from harvester.vo.data_origin import DataOrigin


def profile(**origin: str) -> ArchiveProfile:
    return ArchiveProfile("a", "An archive", "", origin=DataOrigin(**origin))


@pytest.mark.parametrize(
    ("address", "licence"),
    [
        ("https://spdx.org/licenses/CC-BY-4.0", "CC-BY-4.0"),
        ("https://spdx.org/licenses/CC0-1.0.html", "CC0-1.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA-4.0"),
        ("http://creativecommons.org/licenses/by/4.0/deed.cs", "CC-BY-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/licenses/by/3.0/", ""),
        ("https://archive.example/terms.html", ""),
        ("CC BY 4.0", ""),
        ("", ""),
    ],
)
def test_a_licence_is_known_by_its_address(address: str, licence: str) -> None:
    assert licence_of(profile(rights_uri=address)) == licence


def test_who_states_no_rights_is_to_be_asked() -> None:
    assert NO_RIGHTS in list(rights_of(profile(creator="Doe, J.")))
    assert NO_RIGHTS in list(rights_of(None))
    assert NO_RIGHTS not in list(rights_of(profile(rights="CC BY 4.0")))


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "https://a b", 'https://a"><b>', "ftp://a/b", "see https://a", "https://"]
)
def test_what_is_no_address_becomes_no_link(text: str) -> None:
    assert web_address(text) == ""


def test_text_makes_no_link_picture_tag_or_heading() -> None:
    assert as_text("a\n# b") == "a # b"
    assert as_text("# b") == "\\# b"
    assert as_text("![x](http://e/x.png) <script>") == "![x]\\(http://e/x.png) &lt;script>"
    assert as_code("a `b` | c") == "`a 'b' \\| c`"


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_cell_stays_a_cell(text: str, name: str) -> None:
    (row,) = [*table(["a", "b"], [[as_code(name), as_text(text)]])][2:]
    assert row.replace("\\|", "").count("|") == 3
    assert row.count("`") - text.count("`") == 2
    assert "\n" not in row
    assert "<" not in as_text(text)
    assert "](" not in as_text(text)
