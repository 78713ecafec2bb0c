"""Produce faults on request.

What a real archive, or the network before it, does on a bad night. ``FAULTS`` is the table; a ``FaultPlan`` says which
spectra get which, and for how many of their first requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from ..model.target import SpectrumId
from .fits import BLOCK
from .observations import observe
from .responses import HTML, TEXT, XML, Delivery, DemoResponse, no_data, page, server_error
from .soda import FITS, SpectrumRequest, no_spectrum
from .synthesis import Calibration, SyntheticSpectrum
from .votables import error_votable

_TRACEBACK = b"""


XXXXXX Internal error in DaCHS software.
If you are seeing this, please notify the operators of this archive.

Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/gavo/svcs/streaming.py", line 142, in write
    self.writeStreamTo(self)
OSError: [Errno 5] Input/output error
"""
_TOO_LARGE = 24 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: ``spoil`` makes the faulty response, ``meaning`` describes it in one clause."""

    meaning: str
    spoil: Callable[[SpectrumRequest], DemoResponse]


def _maintenance(words: str, wait: int) -> DemoResponse:
    """Respond as DaCHS does to everything during maintenance.

    ``wait`` is in seconds (there: 3600).
    """
    style = b"<?xml-stylesheet href='/static/xsl/mainterror-to-html.xsl' type='text/xsl'?>"
    return DemoResponse(style + error_votable(words), XML, 503, headers={"Retry-After": str(wait)}, static=True)


def _status(status: int, words: str, **headers: str) -> Callable[[SpectrumRequest], DemoResponse]:
    return lambda _: page(
        status, words, words, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def _body(change: Callable[[bytes], bytes], content_type: str = "") -> Callable[[SpectrumRequest], DemoResponse]:
    def spoil(wanted: SpectrumRequest) -> DemoResponse:
        answer = wanted.answer()
        return replace(answer, body=change(answer.body), content_type=content_type or answer.content_type)

    return spoil


def _delivered(delivery: Delivery) -> Callable[[SpectrumRequest], DemoResponse]:
    return lambda wanted: replace(wanted.answer(), delivery=delivery)


def _pixels(change: Callable[[SyntheticSpectrum], SyntheticSpectrum]) -> Callable[[SpectrumRequest], DemoResponse]:
    return lambda wanted: wanted.answer(change)


def _wrong_spectrum(wanted: SpectrumRequest) -> DemoResponse:
    did = wanted.observation.did
    other = did[:-1] + ("1" if did[-1] != "1" else "2")
    return wanted.of(observe(SpectrumId(other))).answer()


def _counts(wanted: SpectrumRequest) -> DemoResponse:
    return replace(wanted, calibration=Calibration.UNCALIBRATED).answer()


def _without_end(body: bytes) -> bytes:
    return body.replace(b"END".ljust(80), b"ENDE".ljust(80))


def _nan(spectrum: SyntheticSpectrum) -> SyntheticSpectrum:
    flux = spectrum.flux.copy()
    flux[flux.size // 2] = np.nan
    return SyntheticSpectrum(spectrum.wave, flux)


def _not_monotonic(spectrum: SyntheticSpectrum) -> SyntheticSpectrum:
    wave = spectrum.wave.copy()
    middle = wave.size // 2
    wave[middle : middle + 2] = wave[middle : middle + 2][::-1].copy()
    return SyntheticSpectrum(wave, spectrum.flux)


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "http_301": Fault("301 to a page elsewhere", _status(301, "Moved", Location="/elsewhere/")),
        "http_401": Fault("401, embargoed", _status(401, "Protected", WWW_Authenticate='Basic realm="X-Unconfigured"')),
        "http_403": Fault("403, forbidden", _status(403, "Forbidden")),
        "http_404": Fault("404, unknown", lambda wanted: no_spectrum(wanted.observation.did)),
        "http_410": Fault("410, withdrawn", _status(410, "Gone")),
        "http_422": Fault("422 to a good request", lambda _: DemoResponse(b"UsageError: Field BAND: no\n", TEXT, 422)),
        "http_429": Fault("429 with Retry-After", _status(429, "Too Many Requests", Retry_After="1")),
        "http_500": Fault("500, a file of the archive is broken", lambda _: server_error("SourceParseError", "Broken")),
        "http_502": Fault("502 of a proxy", _status(502, "Bad Gateway")),
        "http_503": Fault("503 with Retry-After, maintenance", lambda _: _maintenance("Back on Monday", 1)),
        "no_data": Fault("204, nothing in the band", lambda _: no_data()),
        "empty": Fault("200 without a byte", _body(lambda _: b"")),
        "html": Fault("200, a page typed as FITS", _body(lambda _: page(200, "Welcome", "Please log in").body, FITS)),
        "html_typed": Fault("200, a page as such", _body(lambda _: page(200, "Hello", "Please log in").body, HTML)),
        "votable_error": Fault("200, an error in VOTable", _body(lambda _: error_votable("Something broke."), XML)),
        "traceback": Fault("200, FITS and then DaCHS' traceback", _body(lambda body: body + _TRACEBACK)),
        "truncated": Fault("200, FITS without its last block, well framed", _body(lambda body: body[:-BLOCK])),
        "torn": Fault("200, FITS that ends within a block", _body(lambda body: body[:-1000])),
        "malformed": Fault("200, FITS without its END cards", _body(_without_end)),
        "too_large": Fault("200, a body of 24 MiB", _body(lambda body: body + b"\0" * _TOO_LARGE)),
        "cut_off": Fault("the connection breaks in the body", _delivered(Delivery.CUT_OFF)),
        "disconnect": Fault("the connection closes without an answer", _delivered(Delivery.DISCONNECT)),
        "stall": Fault("no answer ever", _delivered(Delivery.STALL)),
        "stall_in_body": Fault("half a body, then silence", _delivered(Delivery.STALL_IN_BODY)),
        "drip": Fault("whole, but slowly", _delivered(Delivery.DRIP)),
        "garbled": Fault("bytes that are no HTTP", lambda _: DemoResponse(b"\x03\0" * 40, TEXT, delivery=Delivery.RAW)),
        "wrong_spectrum": Fault("another spectrum's file", _wrong_spectrum),
        "wrong_band": Fault("the whole spectrum, BAND ignored", lambda wanted: replace(wanted, cutout=None).answer()),
        "no_rows": Fault("a table without rows", _pixels(lambda it: SyntheticSpectrum(it.wave[:0], it.flux[:0]))),
        "nan": Fault("one flux is NaN", _pixels(_nan)),
        "not_monotonic": Fault("two wavelengths change places", _pixels(_not_monotonic)),
        "zero_flux": Fault("every flux is 0", _pixels(lambda it: SyntheticSpectrum(it.wave, np.zeros_like(it.flux)))),
        "counts": Fault("counts, whatever FLUXCALIB says", _counts),
    }
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault by name for the first ``times`` requests of a spectrum; None: for all of them."""

    name: str
    times: int | None = None

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"there is no fault {self.name!r}; there are {', '.join(FAULTS)}")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which spectra fail how.

    ``by_did`` decides first, else ``shares``, pairs of a fault and the share of all DIDs (0 to 1). A DID's digest and
    ``seed`` decide which share it belongs to, so it is the same in every run.
    """

    by_did: Mapping[str, Planned] = field(default_factory=dict)
    shares: tuple[tuple[Planned, float], ...] = ()
    seed: int = 0

    def planned(self, did: str) -> Planned | None:
        """Return the fault of ``did``, at its first request at least."""
        if did in self.by_did or not self.shares:
            return self.by_did.get(did)
        digest = hashlib.blake2b(f"fault {self.seed} {did}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        for planned, share in self.shares:
            if place < share:
                return planned
            place -= share
        return None

    def fault(self, did: str, request: int) -> Fault | None:
        """Return the fault of the ``request``-th request for ``did``, counted from 1."""
        planned = self.planned(did)
        if planned is None or (planned.times is not None and request > planned.times):
            return None
        return FAULTS[planned.name]


def parse_faults(text: str) -> FaultPlan:
    """Parse ``truncated=0.02,http_503=0.03x2``: shares of all DIDs.

    ``x2`` is for their first two requests only.
    """
    shares = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, separator, amount = item.partition("=")
        share, _, times = amount.partition("x")
        try:
            shares.append((Planned(name.strip(), int(times) if times else None), float(share)))
        except ValueError as error:
            raise ValueError(f"{item!r}: {error}" if separator else f"{item!r}: write it as name=share") from None
    if not all(0 <= share <= 1 for _, share in shares) or sum(share for _, share in shares) > 1:
        raise ValueError("shares of faults are 0 to 1, and no more than 1 together")
    return FaultPlan(shares=tuple(shares))
