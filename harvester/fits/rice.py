"""Rice decompression (FITS 4.0, section 10.4.1; White & Becker 1998).

It keeps differences of neighbours in few bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIZES = {1: (3, 6), 2: (4, 14), 4: (5, 25)}  # bytes of a pixel: bits of a block's parameter, its largest value


class RiceError(ValueError):
    """Data that end too early, or cannot be Rice-compressed; the message is a clause."""


def decode_rice(data: bytes, count: int, pixel_bytes: int, block: int) -> NDArray[np.int64]:
    """Return the ``count`` integers that are coded in ``data``.

    Each has ``pixel_bytes`` bytes; ``block`` of them are coded together.
    """
    if pixel_bytes not in _SIZES or not 0 < block <= 1024:
        raise RiceError(f"pixels of {pixel_bytes} bytes in blocks of {block} are unknown")
    parameter_bits, highest = _SIZES[pixel_bytes]
    width = 8 * pixel_bytes
    bits = bin(int.from_bytes(b"\1" + data, "big"))[3:]  # text: finding the next 1 in it is the fastest in Python
    try:
        value, position = int(bits[:width], 2), width
        values: list[int] = []
        while len(values) < count:
            number = min(block, count - len(values))
            parameter = int(bits[position : position + parameter_bits], 2) - 1
            position += parameter_bits
            for _ in range(number):
                if parameter >= 0:
                    difference, position = _difference(bits, position, parameter, highest, width)
                    value += ~(difference >> 1) if difference & 1 else difference >> 1
                values.append(value)
    except ValueError:
        raise RiceError("the compressed data end too early") from None
    wrapped = np.array([each & ((1 << width) - 1) for each in values], np.int64)
    if pixel_bytes == 1:
        return wrapped
    return np.where(wrapped >= 1 << (width - 1), wrapped - (1 << width), wrapped)


def _difference(bits: str, position: int, parameter: int, highest: int, width: int) -> tuple[int, int]:
    """Return the next difference, and where the bits behind it begin.

    The difference is still mapped to a positive number.
    """
    if parameter == highest:
        return int(bits[position : position + width], 2), position + width
    one = bits.index("1", position)
    end = one + 1 + parameter
    if end > len(bits):
        raise ValueError
    low = int(bits[one + 1 : end], 2) if parameter else 0
    return ((one - position) << parameter) | low, end
