"""Failure kinds.

The one table that documentation, ledger, summary and exit codes are read from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Responsibility(StrEnum):
    """Where the cause of a failure lies."""

    ARCHIVE = "archive"
    NETWORK = "network"
    SPECTRUM = "spectrum"
    CLIENT = "client"


class FailureKind(StrEnum):
    """Reason why an attempt failed, with its cause, its meaning, and what to do about it.

    ``max_attempts`` limits the attempts for a spectrum that fails like this (0: ``limits.attempts`` does).
    ``transient`` kinds may succeed in a later run.
    """

    blame: Responsibility
    max_attempts: int
    transient: bool
    meaning: str
    advice: str

    def __new__(
        cls, value: str, blame: Responsibility, max_attempts: int, transient: bool, meaning: str, advice: str
    ) -> FailureKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.blame, member.max_attempts, member.transient = blame, max_attempts, transient
        member.meaning, member.advice = meaning, advice
        return member

    @property
    def outage_like(self) -> bool:
        """An archive that is down looks like this; maintenance pages may come with status 200."""
        down = self.transient and self.blame in (Responsibility.ARCHIVE, Responsibility.NETWORK)
        return down or self.value in ("not_fits", "empty")

    NOT_FOUND = (
        "not_found", Responsibility.SPECTRUM, 1, False,
        "404, unknown to the archive", "remove it from the catalog, or ask the archive's operator",
    )  # fmt: skip
    GONE = (
        "gone", Responsibility.SPECTRUM, 1, False,
        "410, withdrawn", "remove it from the catalog",
    )  # fmt: skip
    NO_DATA = (
        "no_data", Responsibility.SPECTRUM, 1, False,
        "204, no data for this request", "request a wider --band if you gave one; else ask the archive's operator",
    )  # fmt: skip
    FORBIDDEN = (
        "forbidden", Responsibility.SPECTRUM, 1, False,
        "401 or 403, embargoed or not public", "wait until the embargo ends, or ask the archive's operator",
    )  # fmt: skip
    REFUSED_REQUEST = (
        "refused_request", Responsibility.CLIENT, 1, False,
        "400 or 422, request parameters refused",
        "check --fluxcalib, --band and --format against what the archive offers",
    )  # fmt: skip
    BUSY = (
        "busy", Responsibility.ARCHIVE, 0, True,
        "429 or 503, the archive is overloaded or under maintenance", "run again later",
    )  # fmt: skip
    SERVER_ERROR = (
        "server_error", Responsibility.ARCHIVE, 0, True,
        "5xx, error in the archive", "run again later; if it persists, report it to the archive's operator",
    )  # fmt: skip
    UNEXPECTED_STATUS = (
        "unexpected_status", Responsibility.ARCHIVE, 2, False,
        "unexpected HTTP status", "check the archive's URL",
    )  # fmt: skip
    NO_URL = (
        "no_url", Responsibility.SPECTRUM, 1, False,
        "no permitted download URL", "check access_url in the catalog and hosts in the archive's profile",
    )  # fmt: skip
    NO_DATALINK = (
        "no_datalink", Responsibility.ARCHIVE, 2, False,
        "the datalink document names no FITS file", "read the document; report it to the archive's operator",
    )  # fmt: skip
    REDIRECT_BLOCKED = (
        "redirect_blocked", Responsibility.ARCHIVE, 2, False,
        "redirect to a host that is not allowed", "check the archive's URL, or add the host to the archive's profile",
    )  # fmt: skip
    UNREACHABLE = (
        "unreachable", Responsibility.NETWORK, 0, True,
        "no connection to the archive", "check the network and the archive's URL, then run again",
    )  # fmt: skip
    TLS = (
        "tls", Responsibility.NETWORK, 0, True,
        "no trusted connection to the archive", "check the archive's certificate and URL",
    )  # fmt: skip
    TIMEOUT = (
        "timeout", Responsibility.NETWORK, 0, True,
        "no response in time", "run again; raise limits.read_timeout if it persists",
    )  # fmt: skip
    CONNECTION_LOST = (
        "connection_lost", Responsibility.NETWORK, 0, True,
        "connection lost during the response", "run again",
    )  # fmt: skip
    PROTOCOL_ERROR = (
        "protocol_error", Responsibility.ARCHIVE, 0, True,
        "the response is not valid HTTP", "run again; check for a proxy in between",
    )  # fmt: skip
    TOO_LARGE = (
        "too_large", Responsibility.ARCHIVE, 1, False,
        "larger than limits.max_bytes", "raise limits.max_bytes if such spectra are expected",
    )  # fmt: skip
    EMPTY = (
        "empty", Responsibility.ARCHIVE, 0, False,
        "200 with an empty body", "run again; if it persists, report it to the archive's operator",
    )  # fmt: skip
    NOT_FITS = (
        "not_fits", Responsibility.ARCHIVE, 0, False,
        "a web page or text instead of FITS", "read the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    TRUNCATED = (
        "truncated", Responsibility.ARCHIVE, 0, False,
        "incomplete FITS file", "run again; if it persists, report it to the archive's operator",
    )  # fmt: skip
    TRAILING_BYTES = (
        "trailing_bytes", Responsibility.ARCHIVE, 0, False,
        "FITS followed by other bytes", "read the end of the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    MALFORMED_FITS = (
        "malformed_fits", Responsibility.ARCHIVE, 2, False,
        "FITS whose headers make no sense", "inspect the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    UNREADABLE = (
        "unreadable", Responsibility.CLIENT, 2, False,
        "a complete file in which this version reads no spectrum",
        "read the detail; set what is missing in the archive's profile, or require = \"structure\"",
    )  # fmt: skip
    WRONG_SPECTRUM = (
        "wrong_spectrum", Responsibility.ARCHIVE, 0, False,
        "not the requested spectrum", "report it to the archive's operator",
    )  # fmt: skip
    NO_IDENTIFIER = (
        "no_identifier", Responsibility.ARCHIVE, 2, False,
        "no identifier in the header", "check identity_card in the archive's profile",
    )  # fmt: skip
    WRONG_BAND = (
        "wrong_band", Responsibility.ARCHIVE, 2, False,
        "wavelengths outside the requested band", "report it to the archive's operator",
    )  # fmt: skip
    NO_ROWS = (
        "no_rows", Responsibility.SPECTRUM, 2, False,
        "no data points", "remove it from the catalog, or ask for another --fluxcalib",
    )  # fmt: skip
    NOT_FINITE = (
        "not_finite", Responsibility.SPECTRUM, 2, False,
        "NaN or infinite values", "inspect the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    NOT_MONOTONIC = (
        "not_monotonic", Responsibility.SPECTRUM, 2, False,
        "wavelengths are not monotonic", "inspect the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    INVALID_AXIS = (
        "invalid_axis", Responsibility.SPECTRUM, 2, False,
        "wavelengths differ from the header", "inspect the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    ZERO_FLUX = (
        "zero_flux", Responsibility.SPECTRUM, 2, False,
        "flux is zero everywhere", "inspect the body in quarantine; report it to the archive's operator",
    )  # fmt: skip
    NOT_NORMALIZED = (
        "not_normalized", Responsibility.SPECTRUM, 2, False,
        "flux not around 1 although normalized was requested", "try --fluxcalib none",
    )  # fmt: skip
    INTERNAL = (
        "internal", Responsibility.CLIENT, 1, True,
        "internal error", "report it with runs/<run>/harvester.log",
    )  # fmt: skip


ADDRESS_ADVICE = "check the address: an archive is given as a dlget URL, or as a profile that `discover` wrote"

FILE_CHECK_ADVICE = {
    FailureKind.UNREADABLE: "this version reads no spectrum in them, which is not the archive's fault; to keep such "
    "files as they are, set require = 'structure'",
    FailureKind.NO_IDENTIFIER: "say with identity_card in the archive's profile which card names the DID, or that none "
    "does",
    FailureKind.NOT_FINITE: "if its files may have points without flux, set strict = false in the archive's profile",
    FailureKind.NOT_MONOTONIC: "if its files may hold overlapping orders, set strict = false in the archive's profile",
    FailureKind.INVALID_AXIS: "check step_tolerance and axis_tolerance in the archive's profile",
    FailureKind.MALFORMED_FITS: "if its files are not exact FITS, set strict = false in the archive's profile",
    FailureKind.NOT_NORMALIZED: "try --fluxcalib none, or set normalized_flux in the archive's profile",
    FailureKind.WRONG_BAND: "leave out --band, or check band_tolerance in the archive's profile",
    FailureKind.ZERO_FLUX: "try another --fluxcalib",
    FailureKind.NO_ROWS: "try another --fluxcalib, or leave out --band",
}
"""The failures that can be ours, by settings, profile or reader, and what to do about each."""

OF_PROFILE = "in the archive's profile"
"""What the detail of a failure says that names the field which settles what a file leaves open."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Failure of one attempt: its kind, one line of detail, and what the server said.

    ``retry_after`` is the wait in seconds that the server requested; ``status`` is None without an HTTP response.
    """

    kind: FailureKind
    detail: str
    status: int | None = None
    retry_after: float | None = None


class FetchError(Exception):
    """Failed attempt to fetch a spectrum, from ``url``."""

    def __init__(self, failure: Failure, url: str = "") -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.url = url
