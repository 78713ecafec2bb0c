"""Turn images into a spectrum.

It is one row of pixels, or rows with a meaning each; wavelengths may be in an image of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..formatting import plural
from ..model.conventions import FileConventions
from ..model.units import Scale
from .axis import StoredAxis
from .choice import is_auxiliary
from .column_names import UNCERTAINTIES, Role, named_scale, role_of_name
from .errors import InvalidSpectrumError, UnknownFormError, unreadable
from .hdu import Hdu
from .header import Header
from .image import dispersion, has_dispersion, is_row, pixels, shape_of
from .multispec import multispec, system_of, unit_of
from .segments import Segment, SegmentSource, assemble, deviation_factor, joined_axis, left_out, standard_deviation
from .spectrum import Array, ArrayMeaning, Flags, Spectrum, angstroms

MOST_ROWS = 500
FEWEST_ON_AN_AXIS = 20  # points that rise or fall all the way: no flux does
_SAME_WAVELENGTHS = 1e-4  # relative difference between a row of wavelengths in single precision and the scale


def flux_images(hdus: Sequence[Hdu]) -> list[Hdu]:
    """Return the images that can hold flux.

    They are on a spectral scale, or have wavelengths in an image of their own.
    """
    images = [hdu for hdu in hdus if hdu.is_image and hdu.size]
    return sorted((hdu for hdu in images if _can_be_flux(hdu, images)), key=_place)


def _place(hdu: Hdu) -> int:
    """Return where an image goes among those that can be flux.

    Equal ones keep their order in the file. What is called flux, or nothing, goes before other names, and these before
    those of models or of the sky.
    """
    if not hdu.name or role_of_name(hdu.name) is Role.FLUX:
        return 0
    return 2 if is_auxiliary(hdu.name) else 1


def _can_be_flux(hdu: Hdu, images: Sequence[Hdu]) -> bool:
    shape, role = shape_of(hdu.header), role_of_name(hdu.name)
    if not shape or 0 in shape or role not in (None, Role.FLUX):
        return False
    described = has_dispersion(hdu.header) or system_of(hdu.header) or companion(hdu, images, (Role.SPECTRAL,))
    if len(shape) == 1:
        return bool(described) or role is Role.FLUX or len(images) == 1
    return len(shape) <= 3 and max(shape[1:]) <= MOST_ROWS and bool(described or any(row_roles(hdu.header, shape[-1])))


def companion(hdu: Hdu, images: Sequence[Hdu], roles: Sequence[Role]) -> tuple[Hdu, Role] | None:
    """Return the image of the same shape that holds one of ``roles``, by its EXTNAME.

    Of several with one name that of the same EXTVER. InvalidSpectrumError where that leaves two.
    """
    shape, version = shape_of(hdu.header), hdu.header.get("EXTVER", 1)
    found = [
        (other, role)
        for other in images
        if (role := role_of_name(other.name)) in roles and other is not hdu and other.is_image and other.size
        if role is not None and shape_of(other.header) == shape
    ]
    same = [one for one in found if one[0].header.get("EXTVER", 1) == version] or found
    namesakes = sum(one.name == same[0][0].name for one, _ in same) if same else 0
    if namesakes > 1:
        detail = f"the file has {namesakes} images {same[0][0].name!r} of one EXTVER: which of them belongs to"
        raise unreadable(f"{detail} the image {hdu.name or 'without a name'!r} is not known")
    return next(iter(same), None)


def image_spectra(
    raw: bytes, primary: Header, images: Sequence[Hdu], hdus: Sequence[Hdu], conventions: FileConventions
) -> list[Spectrum]:
    """Return the spectra in ``images``.

    Further ones only where they have other wavelengths than the first.
    """
    read = _ImageReader(raw, primary, hdus, conventions)
    first, remarks = read.spectrum(images[0]), []
    spectra = [first]
    for hdu in images[1:]:
        name = hdu.name or "without a name"
        try:
            spectrum = read.spectrum(hdu)
        except InvalidSpectrumError as error:
            remarks.append(f"the image {name} is not read: {error}")
            continue
        if np.array_equal(spectrum.wave, first.wave):
            remarks.append(f"only the first image is read: the image {name} has the same wavelengths")
        else:
            spectra.append(spectrum)
    if len(spectra) > 1:
        remarks.append(f"several spectra in one file: {len(spectra)} images are read as segments")
    return [first.with_remarks(remarks), *spectra[1:]]


@dataclass(frozen=True, slots=True)
class _ImageReader:
    """Reads the images of one file."""

    raw: bytes
    primary: Header
    hdus: Sequence[Hdu]
    conventions: FileConventions

    def spectrum(self, hdu: Hdu) -> Spectrum:
        """Return the spectrum in one image."""
        if not is_row(hdu.header):
            return rows_spectrum(self.raw, self.primary, hdu, self.conventions)
        flux = pixels(self.raw, hdu)
        uncertainty, remarks = self._uncertainty(hdu)
        source, found = _source(self.primary, hdu, self.conventions), companion(hdu, self.hdus, (Role.SPECTRAL,))
        if found is None:
            stored, more = self._axis(hdu, flux.size)
        else:
            stored, more = self._axis_in(found[0], hdu), ()
            source = replace(source, meanings={"wave": ArrayMeaning(found[0].name.lower(), "", "")})
        segment = Segment(stored.values, flux, uncertainty, self._mask(hdu))
        return assemble([segment], stored, source, [*remarks, *more])

    def _axis_in(self, image: Hdu, hdu: Hdu) -> StoredAxis:
        """Return the wavelengths in an image of their own.

        They go before the scale of the flux image, which must not contradict them unless it counts pixels.
        """
        unit = str(image.header.get("BUNIT") or image.header.get("CUNIT1") or "").strip()
        own = StoredAxis(pixels(self.raw, image), unit, named_scale(image.name), f"image {image.name!r}")
        if not has_dispersion(hdu.header):
            return own
        try:
            scale = dispersion(hdu.header, self.conventions).axis(own.values.size)
        except InvalidSpectrumError:
            return own
        if own.scale in (None, scale.scale or Scale.LINEAR):
            _compare(scale, replace(own, unit=own.unit or scale.unit), hdu, self.conventions)
        return replace(own, unit=own.unit or scale.unit)

    def _axis(self, hdu: Hdu, points: int) -> tuple[StoredAxis, Sequence[str]]:
        if system_of(hdu.header) == "multispec":
            return _multispec_axis(hdu, points), ()
        scale = dispersion(hdu.header, self.conventions)
        return scale.axis(points), scale.remarks

    def _uncertainty(self, hdu: Hdu) -> tuple[Array | None, Sequence[str]]:
        found = companion(hdu, self.hdus, UNCERTAINTIES)
        if found is None:
            return None, ()
        image, role = found
        factor = deviation_factor(role, _unit(image), _unit(hdu))
        if factor is None:
            return None, (left_out(f"image {image.name!r}", _unit(image), _unit(hdu)),)
        return standard_deviation(pixels(self.raw, image) * factor, role), ()

    def _mask(self, hdu: Hdu) -> Flags | None:
        found = companion(hdu, self.hdus, (Role.MASK, Role.GOOD))
        if found is None:
            return None
        flagged: Flags = pixels(self.raw, found[0]) != 0
        return ~flagged if found[1] is Role.GOOD else flagged


def _source(primary: Header, hdu: Hdu, conventions: FileConventions) -> SegmentSource:
    return SegmentSource(primary, hdu.header, "CRVAL1", 1, _unit(hdu), "", conventions)


def _unit(hdu: Hdu) -> str:
    return str(hdu.header.get("BUNIT", "")).strip()


def _multispec_axis(hdu: Hdu, points: int) -> StoredAxis:
    [row] = multispec(hdu.header, 1, points)
    if row.values.size != points:
        raise unreadable(f"WAT2: spec1 has {plural(row.values.size, 'point')}, the image {points}")
    return StoredAxis(row.values, unit_of(hdu.header) or "Angstrom", None, "WAT2")


# ---- images of several rows


def rows_spectrum(raw: bytes, primary: Header, hdu: Hdu, conventions: FileConventions) -> Spectrum:
    """Return the spectrum in an image of several rows.

    InvalidSpectrumError if nothing tells what the rows are.
    """
    header, shape = hdu.header, shape_of(hdu.header)
    if len(shape) > 3:
        raise UnknownFormError(
            f"the image has {len(shape)} axes; images of one row, of rows and of IRAF's bands are read"
        )
    values = pixels(raw, hdu)
    bands = values if len(shape) == 3 else values[:, np.newaxis, :] if shape[1] > 1 else values[np.newaxis]
    if len(shape) == 2 and _is_one_row_each(header, shape[1]):
        return _apertures(values[np.newaxis], primary, hdu, conventions)
    if len(shape) == 3 and shape[1] > 1:
        return _apertures(values, primary, hdu, conventions)
    return _labelled(bands[:, 0, :], primary, hdu, conventions)


def _is_one_row_each(header: Header, rows: int) -> bool:
    """Return whether the rows are apertures of IRAF: orders of an echelle, or fibres."""
    return rows > 1 and (system_of(header) == "multispec" or header.get(f"APNUM{rows}") is not None)


def row_roles(header: Header, rows: int) -> Sequence[Role | None]:
    """Return what each row holds, by the cards ROWn, ARRAYn or BANDIDn."""
    for stem in ("BANDID", "ROW", "ARRAY"):
        texts = header.numbered(stem, rows)
        if texts:
            return [_role_of_label(texts.get(row, "")) for row in range(1, rows + 1)]
    return [None] * rows


def _role_of_label(text: str) -> Role | None:
    """Return the role that a label's first words tell.

    ``spectrum - background fit``, ``Inverse``, ``sigma - ...``.
    """
    words = text.replace("-", " ").replace(":", " ").split()
    for count in (3, 2, 1):
        role = role_of_name("_".join(words[:count])) if len(words) >= count else None
        if role is not None:
            return role
    return None


def _labelled(rows: Array, primary: Header, hdu: Hdu, conventions: FileConventions) -> Spectrum:
    header, roles = hdu.header, list(row_roles(hdu.header, len(rows)))
    remarks: list[str] = []
    if Role.FLUX not in roles:
        if any(roles) and roles[0] is not None:
            raise unreadable(f"the image has {plural(len(rows), 'row')}, of which none is labelled as flux")
        if not any(roles) and len(rows) != 2 and len(shape_of(header)) < 3:
            size = f"{plural(len(rows), 'row')} of {plural(rows.shape[1], 'pixel')}"
            detail = f"the image has {size}, and no ROWn, ARRAYn or BANDIDn"
            raise UnknownFormError(
                f"{detail} card tells which is the flux: it is neither a binary table nor an image of one row"
            )
        for number, row in enumerate(rows, 1):
            if row.size > FEWEST_ON_AN_AXIS and (np.all(np.diff(row) > 0) or np.all(np.diff(row) < 0)):
                raise unreadable(f"row {number} of the image looks like a spectral axis, but no card labels the rows")
        roles[0] = Role.FLUX
        remarks = [f"nothing labels the image's {plural(len(rows), 'row')}: only the first is read, as flux"]
    place = roles.index(Role.FLUX)
    flux = rows[place]
    stored, more = _row_axis(rows, roles, hdu, conventions)
    uncertainty = next((standard_deviation(rows[n], r) for n, r in enumerate(roles) if r in UNCERTAINTIES), None)
    mask: Flags | None = None
    for number, role in enumerate(roles):
        if role in (Role.MASK, Role.GOOD):
            flagged = (rows[number] != 0) == (role is Role.MASK)
            mask = flagged if mask is None else mask | flagged
        elif role is Role.INVERSE_VARIANCE:
            flagged = rows[number] <= 0
            mask = flagged if mask is None else mask | flagged
    segment = Segment(stored.values, flux, uncertainty, mask)
    return assemble([segment], stored, _source(primary, hdu, conventions), [*remarks, *more])


def _row_axis(
    rows: Array, roles: Sequence[Role | None], hdu: Hdu, conventions: FileConventions
) -> tuple[StoredAxis, Sequence[str]]:
    """Return the spectral axis.

    It is the header's scale, compared with a row of wavelengths, or that row alone.
    """
    points = rows.shape[1]
    row = rows[roles.index(Role.SPECTRAL)] if Role.SPECTRAL in roles else None
    if row is None and not has_dispersion(hdu.header) and system_of(hdu.header) == "multispec":
        return _multispec_axis(hdu, points), ()
    if row is None:
        scale = dispersion(hdu.header, conventions)
        return scale.axis(points), scale.remarks
    unit = hdu.header.text("CUNIT1").strip() or unit_of(hdu.header)
    own = StoredAxis(row, unit, None, f"row {roles.index(Role.SPECTRAL) + 1}")
    if not has_dispersion(hdu.header):
        return own, ()
    scale = dispersion(hdu.header, conventions)
    _compare(scale.axis(points), own, hdu, conventions)
    return scale.axis(points), scale.remarks


def _compare(scale: StoredAxis, row: StoredAxis, hdu: Hdu, conventions: FileConventions) -> None:
    """Raise where a row of wavelengths and the header's scale contradict each other."""
    source = _source(hdu.header, hdu, conventions)
    flux = np.ones(row.values.size)
    first, second = (
        angstroms(assemble([Segment(axis.values, flux)], axis, source)) for axis in (scale, replace(row, unit=row.unit))
    )
    if not np.allclose(first, second, rtol=_SAME_WAVELENGTHS, atol=0):
        worst = int(np.argmax(np.abs(first - second)))
        detail = f"the header's scale gives {first[worst]:.8g} Angstrom at pixel {worst + 1}, {row.field}"
        raise unreadable(f"{detail} {second[worst]:.8g}: they contradict each other")


def _apertures(bands: Array, primary: Header, hdu: Hdu, conventions: FileConventions) -> Spectrum:
    """Return the orders of an echelle as segments.

    Fibres that share their wavelengths are several objects.
    """
    header, rows = hdu.header, bands[0]
    points = rows.shape[1]
    if system_of(header) == "multispec" or not has_dispersion(header):
        axes = [row.values for row in multispec(header, len(rows), points)]
        unit = unit_of(header) or "Angstrom"
        scale, remarks = StoredAxis(np.concatenate(axes), unit, None, "WAT2"), tuple[str, ...]()
    else:
        found = dispersion(header, conventions)
        axes = [found.values(points)] * len(rows)
        scale, remarks = replace(found.axis(points), values=np.concatenate(axes)), found.remarks
    _refuse_fibres(axes)
    sigma = _band_of(header, bands, Role.SIGMA)
    segments = [
        Segment(axis, rows[n][: axis.size], None if sigma is None else sigma[n][: axis.size])
        for n, axis in enumerate(axes)
    ]
    said = (
        [f"several spectra in one file: {len(segments)} rows of an image are read as segments"]
        if len(segments) > 1
        else []
    )
    stored = replace(scale, values=joined_axis(segments))
    return assemble(segments, stored, _source(primary, hdu, conventions), [*said, *remarks])


def _band_of(header: Header, bands: Array, wanted: Role) -> Array | None:
    roles = row_roles(header, len(bands)) if len(bands) > 1 else []
    return bands[roles.index(wanted)] if wanted in roles else None


def _refuse_fibres(axes: Sequence[Array]) -> None:
    middles = sorted(float(np.median(axis)) for axis in axes)
    spans = [float(np.ptp(axis)) for axis in axes]
    if len(axes) > 1 and middles[-1] - middles[0] < 0.25 * max(spans):
        detail = f"the image holds {len(axes)} spectra of the same wavelengths in its rows: several objects, or fibres"
        raise unreadable(f"{detail}; files with one object each are read")
