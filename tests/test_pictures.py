import base64
import struct
import zlib

import numpy as np

from jupyter_mop.pictures import compact

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write(pixels):
    """Write RGBA pixels as the chart renderer does: filtered by the left neighbour."""
    height, width, _ = pixels.shape
    change = np.diff(pixels.astype(int), axis=1, prepend=0) % 256
    lines = np.concatenate([np.ones((height, 1)), change.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(lines.astype(np.uint8).tobytes(), 1)
    parts = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


def read(picture):
    """Read a PNG with a palette and unfiltered lines, checking every chunk's checksum."""
    parts, start = {}, 8
    while start < len(picture):
        (length,) = struct.unpack(">I", picture[start : start + 4])
        kind, data = picture[start + 4 : start + 8], picture[start + 8 : start + 8 + length]
        assert chunk(kind, data) == picture[start : start + 12 + length]
        parts[kind] = data
        start += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert (depth, colour) == (8, 3)
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)[lines[:, 1:]]


def opaque(colours):
    alpha = np.full((*colours.shape[:2], 1), 255)
    return np.concatenate([colours, alpha], axis=2).astype(np.uint8)


def test_few_colours_are_kept_exactly():
    rng = np.random.default_rng(0)
    palette = rng.integers(256, size=(100, 3))
    pixels = opaque(palette[rng.integers(100, size=(40, 70))])
    assert np.array_equal(read(compact(write(pixels))), pixels[..., :3])


def test_many_colours_become_near_ones():
    grey = np.repeat(np.arange(256)[None, :, None], 3, axis=2)
    pixels = opaque(np.concatenate([np.full((9, 256, 3), 255), grey]))
    result = read(compact(write(pixels)))
    assert (result[:9] == 255).all()
    assert len(np.unique(result)) == 128


def test_a_picture_is_smaller():
    pixels = opaque(np.full((200, 200, 3), 255))
    pixels[50:90, 20:180, :3] = [0, 114, 178]
    before = write(pixels)
    assert len(compact(before)) < len(before) / 2


def test_other_pictures_are_left_alone():
    dot = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5E"
        "rkJggg=="
    )
    assert compact(dot) == dot
    glass = opaque(np.full((4, 4, 3), 200))
    glass[0, 0, 3] = 100
    assert compact(write(glass)) == write(glass)
    palette = compact(write(opaque(np.full((4, 4, 3), 200))))
    assert compact(palette) == palette
