"""Media types as archives write them: which files can be read, and which are preferred."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.vo.media_types import MediaKind, bare_media_type, media_kind


@pytest.mark.parametrize(
    ("media_type", "url", "kind"),
    [
        ("application/fits", "", MediaKind.FITS),
        ("image/FITS", "", MediaKind.FITS),
        ("Application/X-FITS-bintable; charset=binary", "", MediaKind.FITS),
        ("fits", "", MediaKind.FITS),
        ("application/x-votable+xml;content=datalink", "", MediaKind.DATALINK),
        ("application/x-votable+xml; Content=DataLink", "", MediaKind.DATALINK),
        ("application/x-votable+xml", "", MediaKind.VOTABLE),
        ("text/xml;content=x-votable", "", MediaKind.VOTABLE),
        ("text/xml", "http://a.example/x", MediaKind.VOTABLE),
        ("", "http://a.example/x.fits?v=1", MediaKind.FITS),
        ("", "http://a.example/x.fts.gz", MediaKind.FITS),
        ("application/octet-stream", "http://a.example/get?file=a/x.FITS", MediaKind.FITS),
        ("application/gzip", "http://a.example/x.tar.gz", MediaKind.OTHER),
        ("application/gzip", "http://a.example/x", MediaKind.UNDECIDED),
        ("", "http://[a.example/x.fits", MediaKind.UNDECIDED),
        ("application/x-tar", "", MediaKind.OTHER),
        ("image/jpeg", "http://a.example/x.fits", MediaKind.OTHER),
        ("text/csv", "", MediaKind.OTHER),
    ],
)
def test_the_kind_of_a_file_is_known_by_its_type_else_by_its_name(media_type: str, url: str, kind: MediaKind) -> None:
    assert media_kind(media_type, url) is kind


def test_fits_is_preferred_and_other_files_are_not_read() -> None:
    assert min(MediaKind) is MediaKind.FITS
    assert [kind for kind in MediaKind if not kind.is_readable] == [MediaKind.OTHER]


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_a_kind_and_case_does_not_matter(media_type: str, url: str) -> None:
    assert media_kind(media_type, url) in MediaKind
    assert bare_media_type(bare_media_type(media_type)) == bare_media_type(media_type)
