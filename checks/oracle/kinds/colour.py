"""Colour images that are grey, which archives make of films, and those that are not."""

import io
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from films import CR, Array, Expect, Kind, answered, either, element, film, put, read, refused, save
from kinds.syntaxes import FAMILY, LOSSY, by_dcmtk, compressed

GROUP = "colour"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# The luma of three samples is rounded to a level of their depth.
ROUNDED = 0.5 / 255 + 1e-5
MAY = "colour|secondary|capture"


def kinds(chest: Array) -> Iterator[Kind]:
    """Grey and coloured pictures of `chest`, 8 bits."""
    grey = (chest >> 4).astype("u1")
    tinted = np.stack([grey, grey // 2, 255 - grey], -1)
    yield from rgb(grey, tinted)
    yield from luma_and_chroma(grey, tinted)
    yield from palettes(grey)
    yield from encoded(grey, tinted)


def colour_film(pixels: Array, photometric: str, planar: int = 0, sop: str = CR) -> Dataset:
    """A data set of three samples a pixel."""
    d = film(pixels[..., 0], bits=8 * pixels.dtype.itemsize, window=None, photometric=photometric, sop=sop)
    d.SamplesPerPixel, d.PlanarConfiguration = 3, planar
    put(d, pixels.transpose(2, 0, 1) if planar else pixels, "OB" if pixels.dtype.itemsize == 1 else "OW")
    return d


def three(grey: Array) -> Array:
    return np.stack([grey] * 3, -1)


def rgb(grey: Array, tinted: Array) -> Iterator[Kind]:
    for planar in (0, 1):
        name = "by plane" if planar else "by pixel"
        yield Kind(GROUP, f"RGB that is grey, {name}", save(colour_film(three(grey), "RGB", planar)), read(may=MAY), grey / 255)
        yield Kind(GROUP, f"RGB in colour, {name}", save(colour_film(tinted, "RGB", planar)), refused("colour"))
    yield Kind(GROUP, "RGB that is grey, secondary capture", save(colour_film(three(grey), "RGB", sop=CAPTURE)), answered("secondary|capture", may=MAY), grey / 255)
    yield Kind(GROUP, "RGB that is grey, big endian", save(colour_film(three(grey), "RGB"), ExplicitVRBigEndian), read(may=MAY), grey / 255)
    noisy = three(grey).astype(int)
    noisy[..., 0] += np.arange(grey.size).reshape(grey.shape) % 3
    noisy = noisy.clip(0, 255).astype("u1")
    yield Kind(GROUP, "RGB that is grey within two levels", save(colour_film(noisy, "RGB")), read(may=MAY), bar=ROUNDED)
    marked = three(grey)
    marked[8:24, 8:40] = (255, 0, 0)
    # A red marker is not a coloured picture.
    yield Kind(GROUP, "RGB that is grey but for a red marker", save(colour_film(marked, "RGB")), read(may=MAY), bar=ROUNDED)
    wide = three(grey.astype("<u2") * 257)
    yield Kind(GROUP, "RGB of 16 bits that is grey", save(colour_film(wide, "RGB")), either_read(), grey / 255)
    d = colour_film(three(grey), "RGB")
    d.SamplesPerPixel = 4
    yield Kind(GROUP, "four samples a pixel", save(d), refused("colour|samples"))
    d = film(grey, bits=8, window=None)
    d.SamplesPerPixel = 3
    yield Kind(GROUP, "three samples of MONOCHROME2", save(d), refused("colour|samples|photometric|pixels"))


def either_read() -> Expect:
    """Of what is rare: read, or refused as colour."""
    return either("colour|bits|palette")


def luma_and_chroma(grey: Array, tinted: Array) -> Iterator[Kind]:
    neutral = np.full_like(grey, 128)
    ybr = np.stack([grey, neutral, neutral], -1)
    for planar in (0, 1):
        data = save(colour_film(ybr, "YBR_FULL", planar))
        yield Kind(GROUP, f"YBR_FULL that is grey, {'by plane' if planar else 'by pixel'}", data, read(may=MAY), grey / 255)
    yield Kind(GROUP, "YBR_FULL in colour", save(colour_film(tinted, "YBR_FULL")), refused("colour"))
    d = colour_film(ybr, "YBR_FULL_422")
    # Two lumas share one pair of chromas (PS3.3 C.7.6.3.1.2).
    pairs = grey.reshape(-1, 2)
    half = np.stack([pairs[:, 0], pairs[:, 1], np.full(len(pairs), 128, "u1"), np.full(len(pairs), 128, "u1")], -1)
    put(d, half.astype("u1"), "OB")
    yield Kind(GROUP, "YBR_FULL_422 that is grey, native", save(d), either_read(), grey / 255)


def palette_film(grey: Array, tables: list[Array], bits: int, data: str = "OW") -> Dataset:
    """A data set whose stored values are colours of a palette."""
    d = film(grey, bits=8, window=None, photometric="PALETTE COLOR")
    for number, entries in enumerate(tables):
        d.add(element(0x00281101 + number, "US", [len(entries) % 65536, 0, bits]))
        d.add(element(0x00281201 + number, data, entries.tobytes()))
    return d


def palettes(grey: Array) -> Iterator[Kind]:
    ramp = np.arange(256)
    wide = (ramp * 257).astype("<u2")
    curve = ((ramp / 255) ** 0.7 * 65535).round().astype("<u2")
    yield Kind(GROUP, "palette that is grey, 16 bits", save(palette_film(grey, [wide] * 3, 16)), read(may=MAY), grey / 255)
    yield Kind(GROUP, "palette that is grey, 16 bits, bent", save(palette_film(grey, [curve] * 3, 16)), read(may=MAY), curve[grey] / 65535)
    yield Kind(GROUP, "palette that is grey, 8 bits", save(palette_film(grey, [ramp.astype("u1")] * 3, 8)), read(may=MAY), grey / 255)
    yield Kind(GROUP, "palette in colour", save(palette_film(grey, [wide, wide[::-1].copy(), wide], 16)), refused("colour"))
    d = palette_film(grey, [wide] * 3, 16)
    for number in range(3):
        del d[0x00281201 + number]
        # One discrete segment of 128 entries, one linear segment up to the last (PS3.3 C.7.9.2).
        segments = np.concatenate([[0, 128], wide[:128], [1, 128, 65535]]).astype("<u2")
        d.add(element(0x00281221 + number, "OW", segments.tobytes()))
    yield Kind(GROUP, "segmented palette that is grey", save(d), either_read(), grey / 255, apart={"dcmtk": "reads no segments"})
    d = film(grey, bits=8, window=None, photometric="PALETTE COLOR")
    yield Kind(GROUP, "palette that is missing", save(d), refused("palette|colour"))


def encoded(grey: Array, tinted: Array) -> Iterator[Kind]:
    for pixels, what, expect in ((three(grey), "that is grey", read(may=MAY)), (tinted, "in colour", refused("colour"))):
        made = grey / 255 if what == "that is grey" else None
        yield Kind(GROUP, f"RLE of RGB {what}", by_dcmtk(save(colour_film(pixels, "RGB")), "dcmcrle"), expect, made)
        b = io.BytesIO()
        Image.fromarray(pixels).save(b, "JPEG", quality=95)
        data = compressed(colour_film(pixels, "YBR_FULL_422"), FAMILY + "50", b.getvalue())
        yield Kind(GROUP, f"JPEG baseline of YBR_FULL_422 {what}", data, expect, bar=LOSSY)
        data = by_dcmtk(save(colour_film(pixels, "RGB")), "dcmcjpeg", "+e1")
        yield Kind(GROUP, f"JPEG lossless of RGB {what}", data, either_read() if made is not None else expect, made)
        stream = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
        data = compressed(colour_film(pixels, "YBR_RCT"), FAMILY + "90", stream)
        yield Kind(GROUP, f"JPEG 2000 of YBR_RCT {what}", data, either_read() if made is not None else expect, made)
