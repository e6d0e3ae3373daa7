"""A writer of JPEG lossless (ITU-T T.81, process 14): every predictor, point transforms and restart intervals, which other writers lack."""

import struct

import numpy as np

from films import Array


def lossless(image: Array, precision: int, predictor: int = 1, shift: int = 0, restart_rows: int = 0) -> bytes:
    """One component. `shift` bits are lost (the point transform); a restart marker stands behind every `restart_rows` rows."""
    x = image.astype(np.int64) >> shift
    rows = restart_rows or x.shape[0]
    scans = [entropy(x[at : at + rows], predictor, 1 << (precision - shift - 1)) for at in range(0, x.shape[0], rows)]
    part = lambda marker, body: struct.pack(">BBH", 255, marker, len(body) + 2) + body
    frame = struct.pack(">BHHB", precision, *x.shape, 1) + bytes([1, 0x11, 0])
    # A flat Huffman table: the 17 categories of differences, all in codes of 5 bits.
    table = bytes([0, 0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    interval = part(0xDD, struct.pack(">H", restart_rows * x.shape[1])) if restart_rows else b""
    head = b"\xff\xd8" + part(0xC3, frame) + part(0xC4, table) + interval + part(0xDA, bytes([1, 1, 0, predictor, 0, shift]))
    stream = b"".join(scan + (bytes([255, 0xD0 + n % 8]) if n + 1 < len(scans) else b"") for n, scan in enumerate(scans))
    return head + stream + b"\xff\xd9"


def predicted(x: Array, predictor: int, first: int) -> Array:
    """The prediction of every sample (T.81 H.1.2.1): along the first row from the left, along the first column from above."""
    left, above, corner = (np.zeros_like(x) for _ in range(3))
    left[:, 1:], above[1:], corner[1:, 1:] = x[:, :-1], x[:-1], x[:-1, :-1]
    found = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[predictor].copy()
    found[0, 1:], found[1:, 0], found[0, 0] = x[0, :-1], x[:-1, 0], first
    return found


def entropy(x: Array, predictor: int, first: int) -> bytes:
    """The coded differences, modulo 2^16 (T.81 H.1.2.2)."""
    steps = (x - predicted(x, predictor, first) + 32768) % 65536 - 32768
    stream, held, count = bytearray(), 0, 0
    for step in steps.ravel().tolist():
        # -32768 and 32768 are the same; category 16 has no bits behind it.
        size = abs(step).bit_length()
        extra = 0 if size == 16 else step if step > 0 else step + (1 << size) - 1 if size else 0
        bits = 0 if size == 16 else size
        held = (held << 5 | size) << bits | extra
        count += 5 + bits
        while count >= 8:
            byte = held >> (count - 8)
            stream += bytes([byte, 0]) if byte == 255 else bytes([byte])
            count -= 8
            held &= (1 << count) - 1
    if count:
        last = (held << 8 - count | (1 << 8 - count) - 1) & 255
        stream += bytes([last, 0]) if last == 255 else bytes([last])
    return bytes(stream)
