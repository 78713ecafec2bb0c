"""Undo Content-Encodings that were not requested, and unpack gzip files."""

from __future__ import annotations

import zlib
from dataclasses import replace

from ..fits.gzip import GZIP, GzipError, decompress
from ..formatting import count
from ..model.failures import Failure, FailureKind, FetchError
from ..model.outcomes import Fetched

WORDS = 64 * 1024  # bytes of an error page that are read for the server's words
_PLAIN = (b"SIMPLE  =", b"<?xml", b"<VOTABLE")


def decoded(raw: bytes, encoding: str, most: int) -> bytes:
    """Return the body without a Content-Encoding that was not requested.

    It must be whole and within the limit.
    """
    if encoding.lower() in ("identity", "") or raw.startswith(_PLAIN):  # some servers say so of what they unpacked
        return raw
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise FetchError(Failure(FailureKind.PROTOCOL_ERROR, f"Content-Encoding {encoding!r}, which was not requested"))
    try:
        return _inflated(raw, most) if encoding.lower() == "deflate" else decompress(raw, most)
    except GzipError as error:
        if error.kind is FailureKind.TOO_LARGE:
            raise FetchError(too_large(most)) from None
        raise FetchError(Failure(FailureKind.CONNECTION_LOST, f"{encoding} body is damaged: {error}")) from error


def _inflated(raw: bytes, most: int) -> bytes:
    """Return the content of a zlib stream (RFC 1950), HTTP's deflate.

    Raise GzipError for more than ``most`` bytes.
    """
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(raw, most + 1)
    except zlib.error as error:
        raise GzipError(FailureKind.MALFORMED_FITS, str(error)) from None
    if len(body) > most:
        raise GzipError(FailureKind.TOO_LARGE, f"more than {count(most)} bytes")
    if not inflate.eof or inflate.unused_data:
        raise GzipError(FailureKind.TRUNCATED, "it does not end where it should")
    return body


def words_of(raw: bytes, encoding: str) -> bytes:
    """Return what an error page says, as far as it can be read.

    Its encoding must not hide its status.
    """
    if not raw.startswith(GZIP) and encoding.lower() != "deflate":
        return raw
    try:
        return zlib.decompressobj(wbits=47).decompress(raw, WORDS)
    except zlib.error:
        return b""


def too_large(most: int) -> Failure:
    return Failure(FailureKind.TOO_LARGE, f"more than {count(most)} bytes (limits.max_bytes)", 200)


def unpacked_file(answer: Fetched, most: int) -> Fetched:
    """Return the response with its file decompressed.

    One that is not whole is left as it came: verification says what is wrong.
    """
    if not answer.body.startswith(GZIP):
        return answer
    try:
        return replace(answer, body=decompress(answer.body, most))
    except GzipError as error:
        if error.kind is FailureKind.TOO_LARGE:
            raise FetchError(too_large(most), answer.url) from None
        return answer
