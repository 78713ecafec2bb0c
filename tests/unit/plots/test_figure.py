"""Pictures of spectra: what they say, that the same input gives the same bytes, and that no header can spoil them."""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.cells import cell_len

from harvester.demo import listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import observe
from harvester.demo.synthesis import Calibration
from harvester.errors import UsageError
from harvester.fits.reader import read_spectrum
from harvester.fits.spectrum import Spectrum, angstroms
from harvester.model.target import SpectrumId
from harvester.plots import figure as figures
from harvester.plots.panel import Panel, h_alpha, subject_of, wave_label
from harvester.plots.terminal import ASCII, BRAILLE, Floats, Ink, Mark, ink_for, panel_lines, plot_lines
from tests.support.fits_files import recard
from tests.support.paths import SHARED

DID = next(iter(listed_dids(1)))
GENUINE = sorted((SHARED / "real/fits").glob("*.fits"))


def body(calibration: Calibration = Calibration.NORMALIZED) -> bytes:
    return spectrum_fits(observe(DID), calibration)


def four() -> tuple[Panel, ...]:
    counts = read_spectrum(body(Calibration.UNCALIBRATED))
    return (
        Panel(None, counts),
        Panel("normalized", read_spectrum(body())),
        Panel("relative", read_spectrum(body(Calibration.RELATIVE))),
        Panel("UNCALIBRATED", counts),
    )


def svg_words(picture: bytes) -> list[str]:
    """The texts of an SVG, in order."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_the_figure_has_a_panel_for_each_setting_with_its_unit_and_one_wavelength_axis() -> None:
    rows = figures.compose(DID, four()).axes
    labels = [axes.get_ylabel().replace("\n", " ") for axes in rows]
    assert [axes.get_title(loc="left") for axes in rows] == [
        "As served (no FLUXCALIB)", "FLUXCALIB=normalized", "FLUXCALIB=relative", "FLUXCALIB=UNCALIBRATED",
    ]  # fmt: skip
    assert labels == [
        "Flux [counts]", "Normalized flux (continuum = 1)", "Relative flux (maximum = 1)", "Flux [counts]",
    ]  # fmt: skip
    assert [axes.get_xlabel() for axes in rows] == ["", "", "", "Air wavelength [Angstrom]"]
    assert len({axes.get_xlim() for axes in rows}) == 1
    assert rows[3].get_title(loc="right").endswith("identical to what is served without it")


def test_h_alpha_is_marked_in_every_panel_and_named_once() -> None:
    rows = figures.compose(DID, four()).axes
    for axes in rows:
        assert np.array_equal(np.asarray(axes.lines[-1].get_xdata()), [6562.8, 6562.8])
    assert svg_words(figures.draw(DID, four(), "svg")).count("Hα 6562.8") == 1


def test_h_alpha_is_not_marked_where_the_wavelengths_do_not_reach_it() -> None:
    whole = read_spectrum(body())
    blue = replace(whole, wave=whole.wave[:500], flux=whole.flux[:500])
    assert len(figures.compose(DID, (Panel("normalized", blue),)).axes[0].lines) == 1


def test_the_title_tells_object_did_date_of_observation_and_exposure() -> None:
    observation = observe(DID)
    words = " ".join(svg_words(figures.draw(DID, four(), "svg")))
    subject = subject_of(DID, four())
    assert subject.name == observation.star.name
    assert all(part in words for part in (subject.name, DID, subject.when, f"{observation.exposure:g} s exposure"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UT", subject.when)


def test_the_date_is_that_of_the_observation_never_of_the_file() -> None:
    shown = read_spectrum(recard(body(), "TMID", "TMID    = 56152.9741319446"))
    assert subject_of(DID, (Panel(None, shown),)).when == "2012-08-13 23:23 UT"
    for odd in ("'tonight'", "T", "2456153.47", "-5.0"):
        assert subject_of(DID, (Panel(None, read_spectrum(recard(body(), "TMID", f"TMID    = {odd}"))),)).when == ""


def test_wavelengths_are_shown_in_angstrom_whatever_the_file_has() -> None:
    spectrum = read_spectrum(body())
    metre = replace(spectrum, unit="m", wave=spectrum.wave * 1e-10)
    np.testing.assert_allclose(angstroms(metre), spectrum.wave, rtol=1e-14)


def test_the_axis_says_air_or_vacuum_only_where_the_header_does() -> None:
    spectrum = read_spectrum(body())
    silent = read_spectrum(body().replace(b"Air wavelength", b"Wavelength    "))
    vacuum = read_spectrum(body().replace(b"Air wavelength", b"Vacuum wavelen"))
    assert [wave_label(one) for one in (spectrum, silent, vacuum)] == [
        "Air wavelength [Angstrom]", "Wavelength [Angstrom]", "Vacuum wavelength [Angstrom]",
    ]  # fmt: skip
    assert [h_alpha(one) for one in (spectrum, silent, vacuum)] == [6562.80, 6562.80, 6564.61]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_same_input_gives_the_same_bytes(kind: str, magic: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures = [figures.draw(DID, four(), kind) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(magic)


def test_a_failure_is_reported_in_its_panel_and_the_others_are_drawn() -> None:
    broken = Panel("normalized", None, "5xx, the archive failed", "HTTP 500: 漢字 $x^2$ <b>&amp; " + "so sorry " * 90)
    words = svg_words(figures.draw(DID, (four()[0], broken, *four()[2:]), "svg"))
    assert "5xx, the archive failed" in words
    assert any("HTTP 500: ?? $x^2$ <b>&amp; so sorry" in line for line in words), "what no font can draw is a '?'"
    assert {"FLUXCALIB=normalized", "FLUXCALIB=relative"} <= set(words)


@pytest.mark.parametrize("name", ["$\\frac{1}{", "$x^2$", "a_b^c \\alpha %d {}", "<script>&'", "x" * 60])
def test_a_hostile_name_is_shown_as_it_is(name: str) -> None:
    spectrum = read_spectrum(recard(body(), "OBJECT", "OBJECT  = '{}'".format(name.replace("'", "''"))))
    words = svg_words(figures.draw(DID, (Panel("normalized", spectrum),), "svg"))
    assert (name if len(name) < 48 else f"{'x' * 47}…") in "\n".join(words)
    for line in panel_lines(DID, (Panel("normalized", spectrum),), 60, 6, "ascii"):
        assert line.isprintable()
        assert len(line) <= 60


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_words_of_servers_cannot_move_the_cursor(encoding: str) -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07漢\u202eabc\n" * 3
    hostile = Panel(evil, None, evil, evil)
    for line in panel_lines(SpectrumId(f"ivo://a/{evil}"), (hostile, *four()), 40, 6, encoding):
        assert line.isprintable()
        assert cell_len(line) <= 40


@pytest.mark.parametrize("huge", [1e308, -1e308, 1e-308, 0.0])
def test_absurd_numbers_are_drawn_without_a_warning(huge: float) -> None:
    spectrum = read_spectrum(body())
    flux = np.full(spectrum.flux.shape, huge)
    flux[::2] = -huge
    panel = (Panel(None, replace(spectrum, flux=flux)),)
    assert figures.draw(DID, panel, "svg")
    assert panel_lines(DID, panel, 80, 6, "utf-8")


def test_missing_matplotlib_is_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"figures need matplotlib: .*python.* -m pip install 'specharvest\[plots\]'"):
        figures.draw(DID, four(), "png")


def curve() -> tuple[Floats, Floats]:
    """An absorption line in a flat continuum."""
    wave = np.linspace(6500.0, 6600.0, 401)
    return wave, 1 - 0.6 * np.exp(-(((wave - 6562.8) / 6) ** 2))


SNAPSHOTS = {
    ("utf-8", 80): """
      1│⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠓⠲⢤⡀    ┊    ⢀⡴⠒⠋⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
       │                                        ⠙⣦   ┊  ⢀⡴⠋
       │                                         ⠈⢧⡀ ┊ ⢠⠞
    0.4│                                           ⠳⣦⣀⡴⠋
       └─────────────────────────────────────────────┴──────────────────────────
        6500.0                                   Hα 6562.8                6600.0
""",
    ("utf-8", 40): """
      1│⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠙⢦⡀ ┊ ⣠⠞⠉⠉⠉⠉⠉⠉⠉⠉
       │                 ⠈⣧ ┊⢠⠇
       │                  ⢸⡄┊⡞
    0.4│                   ⢳⡼⠁
       └────────────────────┴───────────
        6500.0          Hα 6562.8 6600.0
""",
    ("ascii", 80): """
      1|'''''''''''''''''''''''''''''''''''''':..    |    ..:'''''''''''''''''''
       |                                       '::.  |  .:'
       |                                         ':. | .:
    0.4|                                           ':.:'
       +---------------------------------------------+--------------------------
        6500.0                                   Ha 6562.8                6600.0
""",
    ("ascii", 40): """
      1|''''''''''''''''':. | .:''''''''
       |                 ': |.:
       |                  ::|:
    0.4|                   ::'
       +--------------------+-----------
        6500.0          Ha 6562.8 6600.0
""",
}


@pytest.mark.parametrize(("encoding", "width"), SNAPSHOTS)
def test_a_plot_looks_like_this(encoding: str, width: int) -> None:
    mark = Mark(6562.8, "Hα 6562.8" if encoding == "utf-8" else "Ha 6562.8")
    assert "\n".join(plot_lines(*curve(), width, 4, ink_for(encoding), mark)) == SNAPSHOTS[encoding, width].strip("\n")


@pytest.mark.parametrize("ink", [BRAILLE, ASCII], ids=["braille", "ascii"])
@pytest.mark.parametrize("width", [1, 5, 12, 20, 40, 80, 200])
def test_a_plot_is_never_wider_than_it_may_be(ink: Ink, width: int) -> None:
    lines = plot_lines(*curve(), width, 6, ink, Mark(6562.8, "Ha 6562.8"))
    assert max(map(cell_len, lines)) <= width


def test_a_falling_axis_is_drawn_from_short_to_long_wavelengths() -> None:
    wave, flux = curve()
    assert plot_lines(wave[::-1], flux[::-1], 60, 6, ASCII) == plot_lines(wave, flux, 60, 6, ASCII)


def test_a_line_narrower_than_a_column_still_shows() -> None:
    wave, flux = np.linspace(6500.0, 6600.0, 4000), np.ones(4000)
    flux[1234] = 5.0
    top = plot_lines(wave, flux, 40, 5, BRAILLE)[0]
    assert top.partition("│")[2].strip()


@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.stem)
def test_genuine_spectra_are_drawn(path: Path) -> None:
    spectrum: Spectrum = read_spectrum(path.read_bytes())
    did = SpectrumId(str(spectrum.table["DS_IDPUB"]))
    words = svg_words(figures.draw(did, (Panel("normalized", spectrum),), "svg"))
    assert {"Air wavelength [Angstrom]", "Hα 6562.8", str(spectrum.table["OBJECT"])} <= {word.strip() for word in words}
