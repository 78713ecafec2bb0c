"""Serve ``getproduct``: the archive's files as they are (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime

from .columns import FITS_MIME, VOTABLE_MIME
from .fits import original_fits
from .observations import SyntheticObservation
from .responses import TEXT, DemoResponse
from .synthesis import Calibration, synthesize
from .votables import spectrum_votable

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def product(observation: SyntheticObservation, ending: str, headers: Mapping[str, str]) -> DemoResponse:
    """Return the file, the part that the headers request, or nothing if it has not changed."""
    answer = _whole(observation, ending)
    if _unchanged(answer, headers.get("If-Modified-Since", "")):
        kept = {name: text for name, text in answer.headers.items() if name != "Accept-Ranges"}
        return replace(answer, body=b"", content_type="", status=304, headers=kept)
    return _part(answer, headers.get("Range", ""))


def preview() -> DemoResponse:
    """Refuse: DaCHS makes pictures of images only, and these are none."""
    return DemoResponse(b"Not an image (preview generation failed, please report)", TEXT, 500, static=True)


def _whole(observation: SyntheticObservation, ending: str) -> DemoResponse:
    if ending == "fit":
        body, media_type = original_fits(observation), FITS_MIME
    else:
        counts = synthesize(observation, Calibration.UNCALIBRATED)
        body, media_type = spectrum_votable(observation, counts, unit="count"), VOTABLE_MIME
    headers = {
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(observation.written.replace(tzinfo=UTC), usegmt=True),
    }
    return DemoResponse(body, media_type, file_name=f'"{observation.name}.{ending}"', headers=headers, static=True)


def _unchanged(answer: DemoResponse, since: str) -> bool:
    try:
        return parsedate_to_datetime(answer.headers["Last-Modified"]) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False


def _part(answer: DemoResponse, wanted: str) -> DemoResponse:
    """Return the requested range.

    Any other Range header, also a malformed one, gets the whole file.
    """
    match, size = _RANGE.fullmatch(wanted), len(answer.body)
    if not match:
        return answer
    first, last = _limits(match, size)
    if match[2] and int(match[2]) < int(match[1]):
        return answer
    if first >= size:
        nowhere = {**answer.headers, "Content-Range": f"bytes */{size}"}
        return replace(answer, body=b"", status=416, headers=nowhere)
    there = {**answer.headers, "Content-Range": f"bytes {first}-{last}/{size}"}
    return replace(answer, body=answer.body[first : last + 1], status=206, headers=there)


def _limits(match: re.Match[str], size: int) -> tuple[int, int]:
    if match[3]:
        return max(size - int(match[3]), 0), size - 1
    return int(match[1]), min(int(match[2] or size), size - 1)
