"""What the page says of a spectrum: its header as it is in the file, and why to look twice."""

from __future__ import annotations

from io import BytesIO

from astropy.io import fits

from harvester.browse.facts import MOST_NAMED, of_file, reasons
from harvester.fits.reader import read_spectrum
from tests.support.fits_files import spectrum_file

NAMES = {"0": "emission", "1": "absorption"}


def test_header_cards_are_in_the_file_s_order_with_its_history() -> None:
    with fits.open(BytesIO(spectrum_file())) as hdus:
        for text in ("flat field of the same night", "<script>alert(1)</script>"):
            hdus[1].header["HISTORY"] = text
        hdus[1].header["HIERARCH ESO DET CHIP NAME"] = "CCD700"
        hdus.writeto(changed := BytesIO())
        expected = [card.keyword for card in hdus[0].header.cards]
    shown = of_file(read_spectrum(changed.getvalue()))["cards"]
    assert [keyword for part, keyword, _, _ in shown if part == "primary"] == expected
    texts = [(keyword, value) for part, keyword, value, _ in shown if part == "table"][-3:]
    assert texts == [
        ("HIERARCH", "ESO DET CHIP NAME = 'CCD700 '"),
        ("HISTORY", "flat field of the same night"),
        ("HISTORY", "<script>alert(1)</script>"),
    ]


def test_doubt_is_said_with_the_names_of_the_labels() -> None:
    facts = {"doubt": 0.5, "remarks": ["short"]}
    assert reasons(facts, {"anna": "0", "petr": "7"}, {"1": 6, "0": 2}, NAMES) == [
        "labelled differently: anna says 0 emission, petr says 7",
        "labels of the nearest spectra: 0 emission (2 of 8), 1 absorption (6 of 8)",
        "short",
    ]


def test_many_labellers_are_no_long_sentence() -> None:
    labels = {f"labeller{number}": str(number % 2) for number in range(300)}
    (sentence,) = reasons({"doubt": None, "remarks": []}, labels, {}, NAMES)
    assert sentence.count("says") == MOST_NAMED
    assert sentence.endswith("and 288 more")
