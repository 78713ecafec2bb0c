"""Where in a file its spectrum is.

The tables or images that hold it, and those that only look like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.conventions import NO_CONVENTIONS, FileConventions
from .ascii_table import ascii_table
from .axis import LARGEST_LOGARITHM
from .cards import Cards
from .choice import choose_tables, in_plain_lines, is_auxiliary, is_small
from .columns import Roles
from .compressed import decompressed
from .errors import UnknownFormError, malformed
from .hdu import Hdu, read_hdus
from .header import Header
from .image import is_row, shape_of
from .image_spectrum import flux_images, image_spectra
from .segments import combine, tolerant
from .spectrum import Spectrum
from .table import BinaryTable, binary_table, column_values
from .table_data import FitsTableData
from .table_spectrum import table_spectrum


@dataclass(frozen=True, slots=True)
class SpectralTable:
    """A table of a file, and its HDU."""

    hdu: Hdu
    table: BinaryTable

    @property
    def name(self) -> str:
        """Its EXTNAME, '' where it has none."""
        return self.hdu.name

    @property
    def header(self) -> Cards:
        """The header of its HDU."""
        return self.hdu.header

    @property
    def roles(self) -> Roles:
        """Which columns are the spectrum."""
        return self.table.roles

    @property
    def points(self) -> int:
        """How many points it has at most."""
        flux = self.table.flux
        return 0 if flux is None else self.table.rows * (flux.count if self.hdu.kind == "BINTABLE" else 1)


@dataclass(frozen=True, slots=True)
class SpectralPart:
    """Where the spectrum of a file is: its tables, else its images.

    ``header`` describes it, beside the primary one.
    """

    header: Header
    tables: Sequence[SpectralTable] = ()
    images: Sequence[Hdu] = ()
    remarks: tuple[str, ...] = ()


def read_spectrum(body: bytes | bytearray | memoryview, conventions: FileConventions = NO_CONVENTIONS) -> Spectrum:
    """Return the spectrum in ``body``, the bytes of a FITS file.

    InvalidSpectrumError if there is none. ``conventions`` say what the archive's files do not, such as the unit of
    wavelengths.
    """
    raw = bytes(body)
    hdus = read_hdus(raw, strict=False)
    return tolerant(decode(raw, hdus, spectral_part(hdus, False, conventions), conventions))


def spectral_part(
    hdus: Sequence[Hdu], strict: bool = False, conventions: FileConventions = NO_CONVENTIONS
) -> SpectralPart:
    """Return where the spectrum is; InvalidSpectrumError where no HDU can have one.

    ``strict`` refuses columns without a name.
    """
    tables = [_spectral_table(hdu, strict, conventions) for hdu in hdus if hdu.is_table]
    if len(hdus) == 2 and len(tables) == 1 and hdus[0].size == 0 and tables[0].table.roles.complete:
        return SpectralPart(tables[0].hdu.header, tables)
    complete = [found for found in tables if found.table.roles.complete]
    images = flux_images(hdus)
    chosen, remarks = choose_tables(complete)
    if chosen and not (images and all(_is_beside(found, images[0]) for found in chosen)):
        return SpectralPart(chosen[0].hdu.header, chosen, (), (*remarks, *_images_left_out(images)))
    compressed = [hdu for hdu in hdus if hdu.is_compressed_image]
    if images or compressed:
        return SpectralPart((images or compressed)[0].header, (), images or compressed)
    if tables:
        return SpectralPart(tables[0].hdu.header, tables[:1])
    raise UnknownFormError(f"none of the file's {len(hdus)} HDUs is a binary table, or an image of one row")


def _images_left_out(images: Sequence[Hdu]) -> tuple[str, ...]:
    rows = [hdu.name or "without a name" for hdu in images if is_row(hdu.header)]
    return (f"a table is read; images on a spectral scale are left out: {', '.join(rows)}",) if rows else ()


def _is_beside(table: SpectralTable, image: Hdu) -> bool:
    """Return whether a table beside the spectrum in ``image`` is of something else.

    It is a response, or a list of lines.
    """
    return is_auxiliary(table.name) or is_small(table.points, shape_of(image.header)[0])


def _spectral_table(hdu: Hdu, strict: bool, conventions: FileConventions) -> SpectralTable:
    table = binary_table(hdu.header.structure) if hdu.kind == "BINTABLE" else ascii_table(hdu.header.structure)
    if strict and table.unnamed:
        number = table.unnamed
        raise malformed(f"column {number} of the table has no name: there is no TTYPE{number} card")
    if conventions.spectral_column or conventions.flux_column:
        table = table.with_columns_named(conventions)
    return SpectralTable(hdu, table)


def decode(raw: bytes, hdus: Sequence[Hdu], part: SpectralPart, conventions: FileConventions) -> Spectrum:
    """Return the spectrum of ``part``, which is in ``raw``.

    InvalidSpectrumError if it is none, or is in doubt.
    """
    if not part.tables and part.images[0].is_compressed_image:
        raw = decompressed(raw, hdus)
        hdus = read_hdus(raw, strict=False)
        part = spectral_part(hdus, False, conventions)
    primary = hdus[0].header
    if part.tables:
        spectra = [_spectrum_of(raw, primary, one, conventions) for one in part.tables]
    else:
        spectra = image_spectra(raw, primary, part.images, hdus, conventions)
    spectrum = spectra[0] if len(spectra) == 1 else combine(spectra)
    remarks = list(part.remarks)
    for hdu in hdus:
        remarks += hdu.oddities
    return in_plain_lines(spectrum.with_remarks(remarks)) if remarks or spectrum.remarks else spectrum


def _spectrum_of(raw: bytes, primary: Header, one: SpectralTable, conventions: FileConventions) -> Spectrum:
    """Return the spectrum in a table; the usual one, at once, is read in half the time."""
    hdu, table = one.hdu, one.table
    if table.is_usual and not conventions.spectral_scale:
        wave, flux = table.wave, table.flux
        assert wave is not None
        assert flux is not None
        axis, values = column_values(raw, hdu, table, wave), column_values(raw, hdu, table, flux)
        if axis.size and axis[0] > LARGEST_LOGARITHM:
            return Spectrum(
                axis, wave.unit, values, flux.unit, wave.number, primary, hdu.header,
                conventions=conventions, ucd=wave.ucd, meanings=table.meanings,
            )  # fmt: skip
    return table_spectrum(primary, hdu.header, FitsTableData(raw, hdu, table), conventions)
