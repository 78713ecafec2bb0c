"""Why an attempt can fail, as values.

The table of kinds that README, ledger, summary and exit codes are read from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Responsibility(StrEnum):
    """Whose fault a failure is."""

    ARCHIVE = "archive"
    NETWORK = "network"
    SPECTRUM = "spectrum"
    CLIENT = "client"


class FailureKind(StrEnum):
    """Why an attempt failed.

    Each kind knows its blame, how often it is worth asking, and what to tell people. ``tries`` is the most times a
    spectrum is asked for when it fails like this (0: as often as ``limits.attempts`` allows). ``passing`` kinds may be
    gone tomorrow: another run is worth it.
    """

    blame: Responsibility
    max_attempts: int
    transient: bool
    meaning: str
    advice: str

    def __new__(
        cls, value: str, blame: Responsibility, tries: int, passing: bool, meaning: str, advice: str
    ) -> FailureKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.blame, member.max_attempts, member.transient = blame, tries, passing
        member.meaning, member.advice = meaning, advice
        return member

    @property
    def outage_like(self) -> bool:
        """Whether an archive that is away looks like this; maintenance pages come as 200, too."""
        away = self.transient and self.blame in (Responsibility.ARCHIVE, Responsibility.NETWORK)
        return away or self.value in ("not_fits", "empty")

    NOT_FOUND = (
        "not_found", Responsibility.SPECTRUM, 1, False,
        "404, the archive does not know it", "remove it from the catalog or ask the archive's operator",
    )  # fmt: skip
    GONE = (
        "gone", Responsibility.SPECTRUM, 1, False,
        "410, withdrawn", "remove it from the catalog",
    )  # fmt: skip
    NO_DATA = (
        "no_data", Responsibility.SPECTRUM, 1, False,
        "204, it has no data for this request", "if you asked for a --band, a wider one; else ask the operator",
    )  # fmt: skip
    FORBIDDEN = (
        "forbidden", Responsibility.SPECTRUM, 1, False,
        "401 or 403, embargoed or not public", "ask the archive's operator, or wait for the embargo's end",
    )  # fmt: skip
    REFUSED_REQUEST = (
        "refused_request", Responsibility.CLIENT, 1, False,
        "the archive refuses the request as such", "check --fluxcalib, --band and --format against what it offers",
    )  # fmt: skip
    BUSY = (
        "busy", Responsibility.ARCHIVE, 0, True,
        "429 or 503, the archive is busy or under maintenance", "run again later",
    )  # fmt: skip
    SERVER_ERROR = (
        "server_error", Responsibility.ARCHIVE, 0, True,
        "5xx, the archive failed", "run again later; if it stays, tell the operator",
    )  # fmt: skip
    UNEXPECTED_STATUS = (
        "unexpected_status", Responsibility.ARCHIVE, 2, False,
        "a status that is no answer to this request", "check the archive's address",
    )  # fmt: skip
    NO_URL = (
        "no_url", Responsibility.SPECTRUM, 1, False,
        "no address that may be asked", "check access_url in the catalog, and hosts in the archive's profile",
    )  # fmt: skip
    NO_DATALINK = (
        "no_datalink", Responsibility.ARCHIVE, 2, False,
        "its datalink document leads to no FITS file", "read what the document says; tell the archive's operator",
    )  # fmt: skip
    REDIRECT_BLOCKED = (
        "redirect_blocked", Responsibility.ARCHIVE, 2, False,
        "sent on to where we do not follow", "check the archive's address",
    )  # fmt: skip
    UNREACHABLE = (
        "unreachable", Responsibility.NETWORK, 0, True,
        "no connection to the archive", "check the network and the archive's address, then run again",
    )  # fmt: skip
    TLS = (
        "tls", Responsibility.NETWORK, 0, True,
        "no trusted connection to the archive", "check the certificate or the address",
    )  # fmt: skip
    TIMEOUT = (
        "timeout", Responsibility.NETWORK, 0, True,
        "no answer in time", "run again; raise limits.read_timeout if it stays",
    )  # fmt: skip
    CONNECTION_LOST = (
        "connection_lost", Responsibility.NETWORK, 0, True,
        "the answer broke off", "run again",
    )  # fmt: skip
    PROTOCOL_ERROR = (
        "protocol_error", Responsibility.ARCHIVE, 0, True,
        "the answer was not HTTP", "run again; check for a proxy in between",
    )  # fmt: skip
    TOO_LARGE = (
        "too_large", Responsibility.ARCHIVE, 1, False,
        "larger than limits.max_bytes", "raise limits.max_bytes if such spectra are expected",
    )  # fmt: skip
    EMPTY = (
        "empty", Responsibility.ARCHIVE, 0, False,
        "200 without a byte", "run again; if it stays, tell the operator",
    )  # fmt: skip
    NOT_FITS = (
        "not_fits", Responsibility.ARCHIVE, 0, False,
        "a page or a text in place of FITS", "read the body in quarantine; tell the operator",
    )  # fmt: skip
    TRUNCATED = (
        "truncated", Responsibility.ARCHIVE, 0, False,
        "FITS that ends too early", "run again; if it stays, tell the operator",
    )  # fmt: skip
    TRAILING_BYTES = (
        "trailing_bytes", Responsibility.ARCHIVE, 0, False,
        "FITS with something behind its end", "read the body's end in quarantine; tell the operator",
    )  # fmt: skip
    MALFORMED_FITS = (
        "malformed_fits", Responsibility.ARCHIVE, 2, False,
        "FITS whose headers make no sense", "look at the body in quarantine; tell the operator",
    )  # fmt: skip
    UNREADABLE = (
        "unreadable", Responsibility.CLIENT, 2, False,
        "a whole file in which this version reads no spectrum",
        "see what it says of the file; set what is missing in the archive's profile, or require = \"structure\"",
    )  # fmt: skip
    WRONG_SPECTRUM = (
        "wrong_spectrum", Responsibility.ARCHIVE, 0, False,
        "another spectrum than the one asked for", "tell the operator",
    )  # fmt: skip
    NO_IDENTIFIER = (
        "no_identifier", Responsibility.ARCHIVE, 2, False,
        "a spectrum that does not say which one it is", "check the identity card in the archive's profile",
    )  # fmt: skip
    WRONG_BAND = (
        "wrong_band", Responsibility.ARCHIVE, 2, False,
        "wavelengths outside the band asked for", "tell the operator",
    )  # fmt: skip
    NO_ROWS = (
        "no_rows", Responsibility.SPECTRUM, 2, False,
        "a spectrum without points", "remove it from the catalog, or ask for another --fluxcalib",
    )  # fmt: skip
    NOT_FINITE = (
        "not_finite", Responsibility.SPECTRUM, 2, False,
        "NaN or infinite values", "look at the body in quarantine; tell the operator",
    )  # fmt: skip
    NOT_MONOTONIC = (
        "not_monotonic", Responsibility.SPECTRUM, 2, False,
        "wavelengths that do not rise or fall steadily", "look at the body in quarantine; tell the operator",
    )  # fmt: skip
    INVALID_AXIS = (
        "invalid_axis", Responsibility.SPECTRUM, 2, False,
        "wavelengths or steps that are not as the header declares", "look at the body in quarantine; tell the operator",
    )  # fmt: skip
    ZERO_FLUX = (
        "zero_flux", Responsibility.SPECTRUM, 2, False,
        "flux that is zero everywhere", "look at the body in quarantine; tell the operator",
    )  # fmt: skip
    NOT_NORMALIZED = (
        "not_normalized", Responsibility.SPECTRUM, 2, False,
        "flux that is not around 1 though normalized was asked for", "try --fluxcalib none",
    )  # fmt: skip
    INTERNAL = (
        "internal", Responsibility.CLIENT, 1, True,
        "a bug of ours", "please report it with runs/<run>/events.jsonl",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed: why, in one line for people, and what the server said.

    ``retry_after`` is the wait in seconds that the archive asked for; ``status`` None means no HTTP answer.
    """

    kind: FailureKind
    detail: str
    status: int | None = None
    retry_after: float | None = None


class FetchError(Exception):
    """An attempt to fetch failed; ``failure`` says how, ``url`` is what was asked."""

    def __init__(self, failure: Failure, url: str = "") -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.url = url
