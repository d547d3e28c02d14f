"""What is read of an image's metadata (its orientation), and image files without any metadata.

Metadata never decides whether a picture can be read: where they are broken, it is taken as stored.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ORIENTATION = 0x0112
# How to turn a picture that was stored with this orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Types of whole numbers with 16 and 32 bits.
NUMBERS = (3, 4)
# Files above this size are not searched for metadata that hinder decoding.
MOST_BYTES = 1 << 29
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
PNG_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
PNG_EXIF = b"eXIf"
# Markers of a JPEG: application segments and comments are metadata, but for Adobe's, which says how
# colours are coded. The scan follows SCAN.
SEGMENTS, EXIF, ADOBE, COMMENT, SCAN = range(0xE0, 0xF0), 0xE1, 0xEE, 0xFE, 0xDA


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """How to turn an image upright by its orientation tag; None if it is upright or unknown."""
    try:
        # Of a TIFF the tag is read alone; its other directories may be broken.
        if (tags := getattr(image, "tag_v2", None)) is not None:
            return TURNS.get(tags.get(ORIENTATION))
        found: Any = _orientation_in(image.info.get("exif"))
        if found is None:
            # Pillow knows other places too, such as XMP.
            found = image.getexif().get(ORIENTATION)
        return TURNS.get(found)
    except Exception:  # broken metadata can make the reader raise anything
        return None


def _orientation_in(exif: bytes | None) -> int | None:
    """The orientation in EXIF data; None if there is none, or the data are broken before it."""
    if not exif:
        return None
    data = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, _, short = struct.unpack_from(f"{order}HHIH", data, entry)
            if tag == ORIENTATION and kind in NUMBERS:
                return struct.unpack_from(f"{order}I", data, entry + 8)[0] if kind == 4 else short
    except struct.error:
        pass
    return None


def without_metadata(file: Path, exif: bool) -> bytes | None:
    """The bytes of a PNG or JPEG file without metadata, but with its EXIF data if `exif`.

    None if it is another file, or broken before its pixels.
    """
    if file.stat().st_size > MOST_BYTES:
        return None
    content = file.read_bytes()
    try:
        if content.startswith(PNG):
            kept = (*PNG_PICTURE, PNG_EXIF) if exif else PNG_PICTURE
            return PNG + b"".join(whole for kind, whole in _chunks(content) if kind in kept)
        if content.startswith(JPEG):
            kept = (EXIF, ADOBE) if exif else (ADOBE,)
            return JPEG + b"".join(
                whole
                for marker, whole in _segments(content)
                if marker in kept or not (marker in SEGMENTS or marker == COMMENT)
            )
    except (struct.error, IndexError):
        pass
    return None


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk of a PNG."""
    place = len(PNG)
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 12 + length
        yield kind, content[place:end]
        place = end


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of a JPEG; the last one is all from the scan on."""
    place = len(JPEG)
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker == SCAN:
            yield marker, content[place:]
            return
        end = place + 2
        # 0xFF may fill the space between segments; 0x01 and restarts have no length.
        if marker == 0xFF:
            end = place + 1
        elif marker != 0x01 and marker not in range(0xD0, 0xD8):
            end += struct.unpack_from(">H", content, place + 2)[0]
        yield marker, content[place:end]
        place = end
