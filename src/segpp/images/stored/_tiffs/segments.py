"""The size that a segment of a TIFF brings with itself, read before it is unpacked.

JPEG, WebP and their like are pictures of their own, and their decoders unpack what those promise,
whatever the TIFF says. Of a few hundred bytes that may be gigabytes, and what fits by its number of
values alone is put together wrongly.

The formats: ITU-T T.81 (JPEG), T.800 (JPEG 2000), T.832 (JPEG XR), ISO 18181-1 (JPEG XL), RFC 9649
(WebP), https://github.com/Esri/lerc (LERC).
"""

import struct
import zlib
from collections.abc import Callable, Iterator

__all__ = ["HEAD_BYTES", "LERC", "Size", "size_in"]

# Height, width.
Size = tuple[int, int]

# How much of a segment is looked at, at most.
HEAD_BYTES = 1 << 16
# Its bands stand one behind the other, so that all of a segment has to be looked at.
LERC = 34887

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_STANDS_ALONE = {0x01, *range(0xD0, 0xD9)}
_SCAN, _END = 0xDA, 0xD9
_BARE_JPEG_2000 = b"\xff\x4f\xff\x51"
_BARE_JPEG_XL = b"\xff\x0a"
_JPEG_XR_SIZES = {0xBC80: 1, 0xBC81: 0}
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ZSTD, _DEFLATED = b"\x28\xb5\x2f\xfd", b"\x78"
_LERC_WITH_SUM, _LERC_WITH_DEPTH = 3, 4


def size_in(head: bytes, compression: int, most: int) -> Size | None:
    """Return the height and width that a segment says.

    Args:
        head: The segment, or but of LERC its first ``HEAD_BYTES``.
        compression: The number that TIFF has for it.
        most: How many bytes LERC that is packed once more may unpack to.

    Returns:
        None where it says nothing, or is packed in a way that says nothing.

    Raises:
        ValueError: It is damaged, or the size stands nowhere in the head. So do IndexError and
            struct.error.
    """
    if not head:
        return None
    if compression == LERC:
        return _lerc(_unpacked(head, most))
    reader = _READERS.get(compression)
    return reader(head) if reader else None


def _jpeg(head: bytes) -> Size | None:
    at = 0
    while True:
        at = head.index(b"\xff", at) + 1
        marker = head[at]
        if marker in {_SCAN, _END}:
            # What the file says elsewhere counts.
            return None
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 4)
            return height, width
        if marker not in _STANDS_ALONE | {0, 0xFF}:
            at += 1 + int(struct.unpack_from(">H", head, at + 1)[0])


def _png(head: bytes) -> Size:
    width, height = struct.unpack_from(">II", head, 16)
    return height, width


def _jpeg_2000(head: bytes) -> Size:
    right, bottom, left, top = struct.unpack_from(">4I", head, head.index(_BARE_JPEG_2000) + 8)
    return bottom - top, right - left


def _webp(head: bytes) -> Size:
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        return height + 1, width + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return height & 0x3FFF, width & 0x3FFF


def _jpeg_xr(head: bytes) -> Size:
    """Return the larger of what the container and the stream in it say."""
    (directory,) = struct.unpack_from("<I", head, 4)
    (entries,) = struct.unpack_from("<H", head, directory)
    said = [0, 0]
    for place in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, kind, _, value = struct.unpack_from("<HHII", head, place)
        if tag in _JPEG_XR_SIZES:
            said[_JPEG_XR_SIZES[tag]] = (value, value & 0xFF, 0, value & 0xFFFF)[kind % 4]
    stream = head.index(b"WMPHOTO\0") + 10
    width, height = struct.unpack_from(">HH" if head[stream] & 0x80 else ">II", head, stream + 2)
    return max(said[0], height + 1), max(said[1], width + 1)


def _jpeg_xl(head: bytes) -> Size:
    stream = head if head.startswith(_BARE_JPEG_XL) else _boxed_jpeg_xl(head)
    bits = _bits_of(stream[2:34])
    small = bits(1)
    height = 8 * (bits(5) + 1) if small else _varied(bits)
    if ratio := bits(3):
        times, parts = _RATIOS[ratio - 1]
        return height, height * times // parts
    return height, 8 * (bits(5) + 1) if small else _varied(bits)


def _boxed_jpeg_xl(head: bytes) -> bytes:
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", head, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, start)
            start += 8
        if kind in {b"jxlc", b"jxlp"}:
            return head[start + 4 * (kind == b"jxlp") :]
        if length < start - at:
            raise ValueError("its JPEG XL has no stream")
        at += length


def _bits_of(data: bytes) -> Callable[[int], int]:
    """Return what takes the next bits of some bytes, lowest first."""
    left = int.from_bytes(data, "little")

    def take(count: int) -> int:
        nonlocal left
        taken = left & ((1 << count) - 1)
        left >>= count
        return taken

    return take


def _varied(bits: Callable[[int], int]) -> int:
    return 1 + bits((9, 13, 18, 30)[bits(2)])


def _lerc(content: bytes) -> Size:
    """Return the size of LERC, all of its bands one above the other."""
    rows, columns = zip(*_lerc_blobs(content), strict=True)
    return sum(rows), max(columns)


def _lerc_blobs(content: bytes) -> Iterator[Size]:
    if content.startswith(b"CntZImage "):
        height, width = struct.unpack_from("<II", content, 18)
        yield height, width
        return
    at = content.index(b"Lerc2 ")
    while content[at : at + 6] == b"Lerc2 ":
        (version,) = struct.unpack_from("<i", content, at + 6)
        place = at + (14 if version >= _LERC_WITH_SUM else 10)
        rows, columns = struct.unpack_from("<II", content, place)
        depth = 1
        if version >= _LERC_WITH_DEPTH:
            (depth,) = struct.unpack_from("<I", content, place + 8)
            place += 4
        yield rows * depth, columns
        (length,) = struct.unpack_from("<I", content, place + 16)
        at += max(length, 1)


def _unpacked(content: bytes, most: int) -> bytes:
    if content.startswith(_ZSTD):
        import imagecodecs  # noqa: PLC0415 - comes with an extra

        return bytes(imagecodecs.zstd_decode(content, out=most))
    if not content.startswith(_DEFLATED):
        return content
    packed = zlib.decompressobj()
    found = packed.decompress(content, most)
    if packed.unconsumed_tail:
        raise ValueError(f"a part of it unpacks to more than {most:,} bytes")
    return found


_READERS: dict[int, Callable[[bytes], Size | None]] = {
    **dict.fromkeys((6, 7, 33007, 34892), _jpeg),
    34933: _png,
    **dict.fromkeys((33003, 33004, 33005, 34712), _jpeg_2000),
    **dict.fromkeys((22610, 34934), _jpeg_xr),
    **dict.fromkeys((34927, 50001), _webp),
    **dict.fromkeys((50002, 52546), _jpeg_xl),
}
