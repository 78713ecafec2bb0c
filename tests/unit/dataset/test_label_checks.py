"""Label sanity: what is listed for someone to look at, and what is not."""

from __future__ import annotations

import csv
from collections.abc import Iterable

import numpy as np
import pytest

from harvester.dataset.h_alpha import OFFSETS, Rows, around_h_alpha, has_emission
from harvester.dataset.label_checks import MOST_PAIRS, LabelledSpectrum, LabelReport, check_labels
from harvester.demo.catalog import listed_dids
from harvester.demo.fits import spectrum_fits
from harvester.demo.observations import LineProfile, observe
from harvester.demo.synthesis import Calibration, SyntheticSpectrum, synthesize
from harvester.fits.observation import observation_of
from harvester.fits.reader import read_spectrum
from harvester.ledger.queries import FailureRecord
from harvester.model.failures import FailureKind
from harvester.model.labels import Labelling
from harvester.model.target import SpectrumId
from tests.support.paths import SHARED

GENUINE = SHARED / "real"
MEANT = Labelling(emission=("0", "3"))
DIDS = list(listed_dids(600))


def of_profile(profile: LineProfile, number: int = 12) -> list[SpectrumId]:
    return [did for did in DIDS if observe(did).label is profile][:number]


def as_listed(dids: Iterable[SpectrumId], labels: Iterable[str]) -> tuple[list[LabelledSpectrum], Rows]:
    """The demo's spectra of ``dids`` under ``labels``, as the report gives them to the checks."""
    spectra: list[LabelledSpectrum] = []
    rows: list[Rows] = []
    for did, label in zip(dids, labels, strict=True):
        read = read_spectrum(spectrum_fits(observe(did), Calibration.NORMALIZED))
        row = around_h_alpha(read, observation_of(read).h_alpha)
        assert row is not None
        spectra.append(LabelledSpectrum(did, label, 6.25e-7, 6.76e-7, read.flux.tobytes(), len(rows)))
        rows.append(row)
    return spectra, np.array(rows)


def checked(spectra: list[LabelledSpectrum], rows: Rows, labelling: Labelling = MEANT) -> LabelReport:
    return check_labels(spectra, rows, [], labelling)


@pytest.mark.parametrize(
    ("profile", "rises"),
    [(LineProfile.EMISSION, True), (LineProfile.DOUBLE_PEAK, True), (LineProfile.ABSORPTION, False)],
)
@pytest.mark.parametrize("calibration", list(Calibration))
def test_emission_is_reported_from_absorption_however_it_is_calibrated(
    profile: LineProfile, rises: bool, calibration: Calibration
) -> None:
    rows = []
    for did in of_profile(profile, 60):
        read = read_spectrum(spectrum_fits(observe(did), calibration))
        row = around_h_alpha(read, observation_of(read).h_alpha)
        assert row is not None
        rows.append(row)
    assert len(rows) > 20
    assert set(has_emission(np.array(rows)).tolist()) == {rises}


def test_a_peak_within_an_absorption_line_is_emission_and_a_slope_is_none() -> None:
    absorption = 1 - 0.5 / (1 + (OFFSETS / 6) ** 2)
    core = absorption + 0.3 * np.exp(-0.5 * (OFFSETS / 1.5) ** 2)
    rows = np.array([absorption, core, 1 + OFFSETS / 100, np.ones(OFFSETS.size)], np.float32)
    assert has_emission(rows).tolist() == [False, True, False, False]


def test_noise_is_no_emission() -> None:
    dice = np.random.default_rng(1)
    for sigma in (0.005, 0.02, 0.05, 0.1):
        fine = np.linspace(-45, 45, 390)
        box = np.ones(6) / 6
        noise = (np.convolve(dice.normal(1, sigma, fine.size), box, "same") for _ in range(300))
        rows = np.array([np.interp(OFFSETS, fine, each) for each in noise], np.float32)
        assert has_emission(rows).mean() < 0.01


def test_an_emission_label_on_an_absorption_line_is_listed_and_nothing_else() -> None:
    wrong, right = of_profile(LineProfile.ABSORPTION, 3), of_profile(LineProfile.EMISSION, 9)
    spectra, rows = as_listed([*wrong, *right], ["0"] * 12)
    found = checked(spectra, rows).no_emission
    assert found is not None
    assert [doubt.dids for doubt in found] == [(did,) for did in wrong]


def test_where_no_one_said_what_labels_mean_no_one_looks_for_emission() -> None:
    spectra, rows = as_listed(of_profile(LineProfile.ABSORPTION, 3), ["0"] * 3)
    assert checked(spectra, rows, Labelling()).no_emission is None


def test_the_same_observation_under_two_labels_is_listed_once() -> None:
    dids = of_profile(LineProfile.EMISSION, 6)
    spectra, rows = as_listed([*dids, dids[0]], ["0"] * 6 + ["1"])
    twin = LabelledSpectrum("ivo://elsewhere/copy", "1", 6.25e-7, 6.76e-7, spectra[0].flux_digest, 6)
    found = checked([*spectra[:-1], twin], rows)
    assert [(doubt.dids, doubt.labels) for doubt in found.twins] == [((dids[0], "ivo://elsewhere/copy"), ("0", "1"))]
    assert "to the last bit" in found.twins[0].reason


def test_nearly_the_same_counts_and_the_same_shape_at_another_height_does_not() -> None:
    did = of_profile(LineProfile.EMISSION, 1)[0]
    seen = synthesize(observe(did), Calibration.NORMALIZED)
    rows = []
    for flux in (seen.flux, seen.flux + 0.002 * np.sin(seen.wave), 1 + 0.5 * (seen.flux - 1)):
        file = spectrum_fits(observe(did), Calibration.NORMALIZED, SyntheticSpectrum(seen.wave, flux))
        row = around_h_alpha(read_spectrum(file), 6562.8)
        assert row is not None
        rows.append(row)
    spectra = [LabelledSpectrum(str(n), label, None, None, bytes([n]), n) for n, label in enumerate(("0", "1", "2"))]
    assert [doubt.dids for doubt in checked(spectra, np.array(rows)).twins] == [("0", "1")]


def test_spectra_of_different_stars_are_no_twins() -> None:
    spectra, rows = as_listed(DIDS, [str(observe(did).label) for did in DIDS])
    assert checked(spectra, rows).twins_counted == 0


@pytest.mark.slow
def test_twins_are_found_across_blocks_and_listed_up_to_a_bound() -> None:
    row = around_h_alpha(read_spectrum(spectrum_fits(observe(DIDS[0]), Calibration.NORMALIZED)), 6562.8)
    assert row is not None
    many = np.repeat(row[None], 2200, axis=0)
    spectra = [LabelledSpectrum(str(n), str(n in (0, 2100)), None, None, b"%d" % n, n) for n in range(2200)]
    found = checked(spectra, many)
    assert found.twins_counted == 2 * 2198
    spectra = [LabelledSpectrum(str(n), str(n % 2), None, None, b"%d" % n, n) for n in range(2200)]
    found = checked(spectra, many)
    assert (found.twins_counted, len(found.twins)) == (1100 * 1100, MOST_PAIRS)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(6.25e-7, 6.76e-7, True), (6.57e-7, 6.76e-7, False), (6.0e-7, 6.5e-7, False), (None, None, True)],
)
def test_h_alpha_out_of_range_is_reported_by_what_the_ledger_knows(
    low: float | None, high: float | None, shown: bool
) -> None:
    one = LabelledSpectrum("a", "0", low, high, b"", None)
    found = checked([one], np.empty((0, OFFSETS.size), np.float32))
    assert bool(found.without_h_alpha) is not shown


def test_what_the_archive_lacks_is_listed_with_its_label_and_what_may_pass_is_not() -> None:
    kinds = (FailureKind.NOT_FOUND, FailureKind.GONE, FailureKind.BUSY, FailureKind.NOT_FITS)
    failures = [FailureRecord(f"ivo://a/{kind}", kind, kind, "", 1, None, 0.0, {"label": "1"}) for kind in kinds]
    failures.append(FailureRecord("ivo://a/x", "x", FailureKind.GONE, "", 1, None, 0.0, {}))
    found = check_labels([], np.empty((0, OFFSETS.size), np.float32), failures, MEANT)
    assert [doubt.dids[0] for doubt in found.missing] == ["ivo://a/not_found", "ivo://a/gone"]


def test_what_has_no_label_is_not_judged() -> None:
    spectra, rows = as_listed(of_profile(LineProfile.ABSORPTION, 3), [""] * 3)
    assert checked(spectra, rows).checked == 0


@pytest.mark.skipif(not (GENUINE / "fits").is_dir(), reason="needs the genuine spectra")
def test_the_genuine_spectra_under_their_genuine_labels_raise_no_alarm() -> None:
    with (GENUINE / "ondrejov-dataset.csv").open(newline="") as file:
        labels = {row["id"].rpartition("/")[2]: row["label"] for row in csv.DictReader(file)}
    spectra: list[LabelledSpectrum] = []
    rows: list[Rows] = []
    for path in sorted((GENUINE / "fits").glob("*.fits")):
        read = read_spectrum(path.read_bytes())
        row = around_h_alpha(read, observation_of(read).h_alpha)
        assert row is not None
        ends = float(read.wave[0]) * 1e-10, float(read.wave[-1]) * 1e-10
        spectra.append(LabelledSpectrum(path.stem, labels[path.stem], *ends, read.flux.tobytes(), len(rows)))
        rows.append(row)
    found = checked(spectra, np.array(rows))
    assert found.checked == 9
    assert (found.no_emission, found.without_h_alpha, found.twins) == ([], [], [])
    rising = has_emission(np.array(rows)).tolist()
    assert rising == [one.label in MEANT.emission for one in spectra], "and absorption is not taken for emission"
