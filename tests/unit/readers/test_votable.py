"""Spectra in VOTables of every serialization are read as what they were made of; what is none is refused in words."""

from __future__ import annotations

import base64
import io
import time
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse_single_table
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.fits.errors import InvalidSpectrumError
from harvester.fits.observation import observation_of
from harvester.fits.spectrum import angstroms
from harvester.model.conventions import FileConventions
from harvester.model.expectation import Expectation
from harvester.model.failures import FailureKind
from harvester.model.outcomes import FailedCheck, Level, VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.readers.spectrum_file import identifier_in, read_spectrum
from harvester.readers.votable_content import _events, _gathered, read_content
from harvester.verify import verify_spectrum
from tests.support.spectral_files import ERROR, FLUX, POINTS, WAVE, Array
from tests.support.votable_files import SERIALIZATIONS, spectrum_votable, votable

DID = SpectrumId("ivo://a/b")
TOLERANT = Expectation(identity_card=None, step_tolerance=None, strict=False)
STRICT = Expectation(step_tolerance=None)
HEAD = b'<VOTABLE version="1.4"><RESOURCE type="results">'
END = b"</RESOURCE></VOTABLE>"
FIELDS = b'<FIELD name="wave" unit="nm" datatype="double"/><FIELD name="flux" datatype="double"/>'
ROWS = b"".join(b"<TR><TD>%d</TD><TD>%d</TD></TR>" % (400 + n, 2 + n % 3) for n in range(20))


def table(rows: bytes = ROWS, fields: bytes = FIELDS, head: bytes = HEAD) -> bytes:
    return head + b"<TABLE>" + fields + b"<DATA><TABLEDATA>" + rows + b"</TABLEDATA></DATA></TABLE>" + END


def refused(body: bytes, expected: Expectation = TOLERANT, did: SpectrumId = DID) -> FailedCheck:
    outcome = verify_spectrum(body, did, expected)
    assert isinstance(outcome, FailedCheck), outcome
    assert outcome.detail.isprintable()
    return outcome


@pytest.mark.parametrize("form", SERIALIZATIONS)
@pytest.mark.parametrize("one_row", [False, True], ids=["points", "arrays"])
def test_each_serialization_is_read_as_what_it_was_made_of(form: str, one_row: bool) -> None:
    body = spectrum_votable(form, one_row)
    spectrum = read_spectrum(body)
    np.testing.assert_array_equal(angstroms(spectrum), WAVE)
    np.testing.assert_array_equal(spectrum.flux, FLUX)
    assert spectrum.uncertainty is not None
    np.testing.assert_array_equal(spectrum.uncertainty, ERROR)
    observed = observation_of(spectrum)
    assert (observed.object_name, observed.ra, observed.dec) == ("HD 50975", 103.8, -10.6)
    assert spectrum.meanings["flux"].utype == "spec:spectrum.data.fluxaxis.value"
    verified = verify_spectrum(body, DID, STRICT)
    assert isinstance(verified, VerifiedSpectrum)
    assert (verified.points, verified.object_name, verified.level) == (POINTS, "HD 50975", Level.SCIENCE)


def test_another_spectrum_is_refused_by_its_publisher_did() -> None:
    body = spectrum_votable()
    assert identifier_in(body, "DS_IDPUB") == "ivo://a/b"
    assert refused(body, STRICT, SpectrumId("ivo://a/c")).kind is FailureKind.WRONG_SPECTRUM
    assert refused(spectrum_votable(params=()), STRICT).kind is FailureKind.NO_IDENTIFIER


def test_a_votable_is_no_answer_to_a_request_for_fits() -> None:
    assert refused(spectrum_votable(), Expectation(identity_card=None, fits_only=True)).kind is FailureKind.NOT_FITS


@pytest.mark.parametrize(
    ("document", "kind", "said"),
    [
        (table()[:-12], FailureKind.TRUNCATED, "before its end"),
        (table()[:300], FailureKind.TRUNCATED, "before its end"),
        (table().replace(b"</TR>", b"</TD>", 1), FailureKind.MALFORMED_FITS, "mismatched tag"),
        (table(ROWS + b"<TR><TD>1</TD></TR>"), FailureKind.MALFORMED_FITS, "1 cell, the table 2 columns"),
        (table(b""), FailureKind.NOT_FITS, "a VOTable"),
        (
            table(head=HEAD + b'<INFO name="QUERY_STATUS" value="ERROR">no such DID</INFO>'),
            FailureKind.NOT_FITS,
            "reports an error: no such DID",
        ),
        (table(fields=FIELDS.replace(b"flux", b"access_url")), FailureKind.NOT_FITS, "lists files"),
        (table(fields=FIELDS.replace(b"flux", b"snr")), FailureKind.UNREADABLE, "no flux column"),
        (table(fields=FIELDS.replace(b"nm", b"s")), FailureKind.UNREADABLE, "not a known unit"),
        (table(ROWS.replace(b">2<", b">two<", 1)), FailureKind.UNREADABLE, "not a number: 'two'"),
        (table(ROWS.replace(b">405<", b">399<", 1)), FailureKind.NOT_MONOTONIC, "do not rise"),
    ],
    ids=[
        "cut", "cut rows", "wrong tags", "short row", "no rows", "error", "list", "no flux", "unit", "word", "order",
    ],
)  # fmt: skip
def test_what_is_no_spectrum_is_refused_in_words(document: bytes, kind: FailureKind, said: str) -> None:
    outcome = refused(document)
    assert (outcome.kind, said in outcome.detail) == (kind, True), outcome.detail


def test_a_whole_votable_that_no_reader_understands_has_the_level_structure() -> None:
    body = table(fields=FIELDS.replace(b"flux", b"snr"))
    verified = verify_spectrum(body, DID, Expectation(identity_card=None, strict=False, require=Level.STRUCTURE))
    assert isinstance(verified, VerifiedSpectrum)
    assert (verified.level, verified.points) == (Level.STRUCTURE, 0)


BOMB = b'<!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
SPACES = b" " * (1 << 20)


@pytest.mark.parametrize(
    "document",
    [
        BOMB + table(ROWS.replace(b"400", b"&b;")),
        HEAD + b"<GROUP>" * 100_000 + b"</GROUP>" * 100_000 + END,
        table(b"<TR><TD>" + SPACES + b"</TR>" + b"<TR><TD>1</TD></TD></TR>"),
        table(b"<TR>" + SPACES + b"</TR><TD></TD>"),
        table(b"<TR/>" * 1_200_000),
        table(fields=b'<FIELD name="wave" datatype="double" arraysize="99999999"/>' * 4),
        HEAD + b"<TABLE>" + FIELDS.replace(b"double", b"double\" arraysize=\"99999999")
        + b'<DATA><BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY></DATA></TABLE>' + END,
        table()[: -len(END)] + b"<!--" * 500_000,
        HEAD + b'<TABLE><FIELD name="a" datatype="double" arraysize="0"/><DATA><BINARY><STREAM encoding="base64">'
        + b"A" * 400_000 + b"</STREAM></BINARY></DATA></TABLE>" + END,
    ],
    ids=["entities", "depth", "open cell", "open row", "rows", "widths", "width", "comments", "no width"],
)  # fmt: skip
def test_bombs_are_refused_in_bounded_time(document: bytes) -> None:
    began = time.process_time()
    assert refused(document).kind in (FailureKind.MALFORMED_FITS, FailureKind.TRUNCATED, FailureKind.NOT_FITS)
    assert time.process_time() - began < 20, "a bomb of a megabyte takes minutes, or for ever, where it works"


def test_the_digest_of_the_content_leaves_out_what_services_rewrite() -> None:
    first = table(head=HEAD + b'<INFO name="request_date" value="2026-01-01"/>')
    again = table(head=HEAD + b'<INFO name="request_date" value="2026-01-02"/><!-- made later -->')
    other = table(ROWS.replace(b">2<", b">3<", 1), head=HEAD + b'<INFO name="request_date" value="2026-01-01"/>')
    digests = [verify_spectrum(body, DID, TOLERANT) for body in (first, again, other)]
    found = [one.content_digest for one in digests if isinstance(one, VerifiedSpectrum)]
    assert found[0] == found[1] != found[2]


def test_null_values_blanks_and_masks_are_no_numbers() -> None:
    fields = FIELDS.replace(b'"flux" datatype="double"/>', b'"flux" datatype="int"><VALUES null="-9"/></FIELD>')
    fields += b'<FIELD name="mask" datatype="boolean"/>'
    rows = b"".join(
        b"<TR><TD>%d</TD><TD>%s</TD><TD>%s</TD></TR>" % (400 + n, flux, flag)
        for n, (flux, flag) in enumerate([(b"-9", b"T"), (b"", b"false"), (b"0x10", b"0"), (b" 7 ", b"F")] * 5)
    )
    spectrum = read_spectrum(table(rows, fields))
    np.testing.assert_array_equal(spectrum.flux[:4], [np.nan, np.nan, 16, 7])
    assert spectrum.mask is not None
    np.testing.assert_array_equal(spectrum.mask[:4], [True, False, False, False])


B1950, ICRS = '<COOSYS ID="a" system="eq_FK4" equinox="B1950"/>', '<COOSYS ID="b" system="ICRS"/>'


@pytest.mark.parametrize(
    ("elements", "frame"), [(B1950, "fk4"), (ICRS, "icrs"), (B1950 + ICRS, "icrs")], ids=["FK4", "ICRS", "two"]
)
def test_positions_are_of_the_system_that_the_document_declares(elements: str, frame: str) -> None:
    body = spectrum_votable()
    begin = body.index(b"<TABLE")
    there = SkyCoord(103.8, -10.6, unit="deg", frame=frame).icrs
    observed = observation_of(read_spectrum(body[:begin] + elements.encode() + body[begin:]))
    assert observed.ra == pytest.approx(there.ra.deg)
    assert observed.dec == pytest.approx(there.dec.deg)


@pytest.mark.parametrize("tail", [b"<html>no VOTABLE</html>", b"<html>", b"<TABLE/>"])
def test_a_page_behind_the_end_of_a_file_is_refused(tail: bytes) -> None:
    for body in (spectrum_votable(), spectrum_votable("binary")):
        failed = refused(body + tail)
        assert failed.kind in (FailureKind.TRAILING_BYTES, FailureKind.MALFORMED_FITS)
        assert isinstance(verify_spectrum(body + b"\n<!-- made by a server -->\n", DID, TOLERANT), VerifiedSpectrum)


def test_a_blank_cell_beside_an_array_takes_no_number_from_it() -> None:
    """Two numbers in one cell and none in the next are as many as one in each."""
    fields = (
        b'<FIELD name="wave" unit="nm" datatype="double" arraysize="*"/>'
        b'<FIELD name="flux" datatype="double" arraysize="*"/>'
    )
    body = table(b"<TR><TD>400 500</TD><TD></TD></TR>", fields)
    assert "2 wavelengths stand against 0 values of flux" in refused(body).detail


def test_rows_are_the_same_however_they_are_cut_into_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (spectrum_votable(), table(ROWS.replace(b"<TD>405</TD>", b"<TD> </TD>", 1))):
        monkeypatch.setattr("harvester.readers.votable_content._ROWS_AT_ONCE", 1 << 20)
        whole = read_content(body).tables[0].cells
        for size in (0, 1, 100, 1000):
            monkeypatch.setattr("harvester.readers.votable_content._ROWS_AT_ONCE", size)
            assert [list(cells) for cells in read_content(body).tables[0].cells] == [list(cells) for cells in whole]


def test_columns_without_a_meaning_are_those_that_the_profile_names() -> None:
    body = table(fields=FIELDS.replace(b"wave", b"x").replace(b"flux", b"y"))
    assert "spectral_column and flux_column" in refused(body).detail
    spectrum = read_spectrum(body, FileConventions(spectral_column="1", flux_column="Y"))
    np.testing.assert_array_equal(spectrum.wave, 400 + np.arange(20))


def test_several_tables_are_read_as_segments() -> None:
    one = b"<TABLE>" + FIELDS + b"<DATA><TABLEDATA>" + ROWS + b"</TABLEDATA></DATA></TABLE>"
    spectrum = read_spectrum(HEAD + one + one.replace(b">4", b">5") + END)
    assert spectrum.lengths == (20, 20)
    assert any("several spectra in one file" in remark for remark in spectrum.remarks)


@pytest.mark.parametrize("form", SERIALIZATIONS)
@settings(max_examples=30)
@given(
    unit=st.sampled_from([("Angstrom", u.AA), ("nm", u.nm), ("um", u.um), ("Hz", u.Hz), ("eV", u.eV)]),
    kind=st.sampled_from([np.float64, np.float32]),
    first=st.floats(1500, 20_000),
    step=st.floats(0.1, 5),
    points=st.integers(2, 60),
    one_row=st.booleans(),
)
def test_whatever_is_accepted_agrees_with_astropy(
    form: str, unit: tuple[str, u.Unit], kind: type, first: float, step: float, points: int, one_row: bool
) -> None:
    quantity = ((first + step * np.arange(points)) * u.AA).to_value(unit[1], u.spectral()).astype(kind)
    flux: Array = np.linspace(1, 2, points).astype(kind)
    columns = {"spectral": quantity, "flux": flux}
    if one_row:
        columns = {name: values[np.newaxis] for name, values in columns.items()}
    body = votable(columns, {"spectral": unit[0]}, form=form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = parse_single_table(io.BytesIO(body)).to_table()
    theirs_wave = (np.ravel(theirs["spectral"].value).astype(float) * unit[1]).to_value(u.AA, u.spectral())
    spectrum = read_spectrum(body)
    np.testing.assert_allclose(angstroms(spectrum), theirs_wave, rtol=1e-12)
    np.testing.assert_array_equal(spectrum.flux, np.ravel(theirs["flux"].value))


def flattened(body: bytes, quick: bool) -> list[list[list[float]]]:
    content = read_content(body) if quick else _gathered(_events(body))
    return [
        [np.array(column, dtype=np.float64).ravel().tolist() for column in one.cells] for one in content.tables
    ]  # fmt: skip


@pytest.mark.parametrize("body", [table(), spectrum_votable("binary"), spectrum_votable("binary2")], ids=SERIALIZATIONS)
def test_the_quick_way_gives_what_the_streaming_reader_gives(body: bytes) -> None:
    assert flattened(body, quick=True) == flattened(body, quick=False)


BODIES = {form: spectrum_votable(form) for form in SERIALIZATIONS} | {"plain": table()}


@given(
    st.sampled_from(sorted(BODIES)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from(b"<>/&\"'=-![]ATRD 0.x_") | st.integers(0, 255))),
    st.integers(0, 1 << 20),
    st.integers(0, 64),
)
def test_mutated_documents_never_crash_the_reader(
    form: str, flips: list[tuple[int, int]], place: int, removed: int
) -> None:
    mutant = bytearray(BODIES[form])
    for offset, byte in flips:
        mutant[offset % len(mutant)] = byte
    del mutant[place % len(mutant) : place % len(mutant) + removed]
    outcome = verify_spectrum(bytes(mutant), DID, TOLERANT)
    if isinstance(outcome, FailedCheck):
        assert outcome.detail.isprintable()
        return
    spectrum = read_spectrum(bytes(mutant))
    assert spectrum.wave.shape == spectrum.flux.shape
    observation_of(spectrum)


@given(st.sampled_from(["nm", "Angstrom"]), st.binary(max_size=200))
def test_any_bytes_in_a_stream_of_fixed_width_are_rows_or_a_fault(unit: str, data: bytes) -> None:
    fields = FIELDS.replace(b"nm", unit.encode())
    stream = b'<BINARY><STREAM encoding="base64">' + base64.b64encode(data) + b"</STREAM></BINARY>"
    body = HEAD + b"<TABLE>" + fields + b"<DATA>" + stream + b"</DATA></TABLE>" + END
    try:
        spectrum = read_spectrum(body)
    except InvalidSpectrumError:
        return
    assert spectrum.flux.size <= len(data) // 16
