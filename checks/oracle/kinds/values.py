"""From the stored bits to grey: containers, rescale, lookup tables, windows, padding, shutters, aspect."""

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from films import Array, Kind, answered, element, film, put, read, refused, save, window

GROUP = "values"
SHUT = "shutter|crop|border|turn|orient"
FEW = "contrast|stretch|level|unlike|range"


def kinds(chest: Array) -> Iterator[Kind]:
    """Films of `chest` in every form that its values can have."""
    yield from containers(chest)
    yield from windows(chest)
    yield from rescaled(chest)
    yield from modality_tables(chest)
    yield from voi_tables(chest)
    yield from padded(chest)
    yield from padded_after_rescale(chest)
    yield from shutters(chest)
    yield from aspects(chest)


def containers(chest: Array) -> Iterator[Kind]:
    for bits in range(1, 17):
        values = (chest.astype(int) << 4) >> (16 - bits)
        full = 2**bits - 1
        for container in (8, 16, 32):
            if bits > container:
                continue
            for signed in (False, True):
                if signed and (bits < 4 or container == 32):
                    continue
                low = 2 ** (bits - 1) if signed else 0
                kind = f"{'i' if signed else 'u'}{container // 8}"
                d = film((values - low).astype("<" + kind), bits=bits, window=None)
                expect = refused("black or white|level|contrast") if bits == 1 else read(may=FEW if bits < 4 else ())
                name = f"{bits} bits in {container}, {'signed' if signed else 'unsigned'}"
                # pydicom has no pixels of 32 bits that are stored in fewer; dcmtk widens a range of one bit.
                yield Kind(GROUP, name, save(d), expect, values / full, row=f"{'1 bit' if bits == 1 else '2 and 3 bits' if bits < 4 else '4 to 16 bits'} in {container}, {'signed' if signed else 'unsigned'}")
    for bits, high in ((12, 15), (12, 13), (10, 15), (8, 11)):
        values = chest.astype(int) >> (12 - bits)
        shift = high + 1 - bits
        d = film((values << shift).astype("<u2"), bits=bits, window=None)
        d.HighBit = high
        yield Kind(GROUP, f"{bits} bits with high bit {high}", save(d), read(), values / (2**bits - 1),
                   apart={"pydicom": "does not shift"})
    d = film((chest.astype(int) | 0xA000).astype("<u2"), window=None)
    yield Kind(GROUP, "12 bits under bits of an overlay", save(d), read(), chest / 4095)
    signed = chest.astype(int) - 2048
    d = film((signed & 0xFFF).astype("<u2"), window=None)
    d.PixelRepresentation = 1
    yield Kind(GROUP, "12 bits, signed, without sign extension", save(d), read(), chest / 4095)
    d = film(chest.astype(">u2"), window=None)
    yield Kind(GROUP, "12 bits, big endian", save(d, ExplicitVRBigEndian), read(), chest / 4095)
    small = (chest >> 4).astype("u1")
    for vr in ("OB", "OW"):
        d = film(small, bits=8, window=None)
        put(d, small.reshape(-1, 2)[:, ::-1] if vr == "OW" else small, vr)
        yield Kind(GROUP, f"8 bits, big endian, as {vr}", save(d, ExplicitVRBigEndian), read(), small / 255)
        d = film(small, bits=8, window=None)
        put(d, small, vr)
        yield Kind(GROUP, f"8 bits, little endian, as {vr}", save(d), read(), small / 255)
    odd = small[:255, :223]
    d = film(odd, bits=8, window=None)
    put(d, odd, "OB")
    yield Kind(GROUP, "an odd number of bytes", save(d), read(), odd / 255)
    d = film(chest)
    del d.PixelRepresentation
    yield Kind(GROUP, "PixelRepresentation missing", save(d), read(), window(chest, 2048, 4096),
               apart={"pydicom": "wants it", "dcmtk": "wants it"})
    for name, bits, allocated in (("17 bits stored", 17, 32), ("24 bits allocated", 16, 24), ("0 bits stored", 0, 16), ("more stored than allocated", 12, 8)):
        d = film(chest)
        d.BitsStored, d.BitsAllocated, d.HighBit = bits, allocated, max(bits, 1) - 1
        yield Kind(GROUP, name, save(d), refused("bits"))
    for tag, name in ((0x7FE00008, "float pixels"), (0x7FE00009, "double float pixels")):
        d = film(chest)
        del d["PixelData"], d.BitsStored, d.HighBit, d.PixelRepresentation
        double = tag == 0x7FE00009
        d.BitsAllocated = 64 if double else 32
        d.add(element(tag, "OD" if double else "OF", chest.astype("<f8" if double else "<f4").tobytes()))
        yield Kind(GROUP, name, save(d), refused("bits|PixelData"))


def windows(chest: Array) -> Iterator[Kind]:
    for centre, width in ((2048, 4096), (2000, 3600), (1500.5, 2000.25), (2500, 1000), (2048, 2), (3000, 1)):
        for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            if width < 1000 and function == "SIGMOID":
                continue
            d = film(chest, window=(centre, width))
            d.VOILUTFunction = function
            wanted = window(chest, centre, width, function)
            harsh = width < 1000
            expect = refused("black or white") if harsh else read(may="contrast|saturat")
            yield Kind(GROUP, f"window {centre}, {width}, {function}", save(d), expect, wanted,
                       apart={"dcmtk": "knows LINEAR and SIGMOID"} if function == "LINEAR_EXACT" else {})
    made = window(chest, 2000, 3600)
    for name, centre, width in (
        ("two windows, the first counts", ["2000", "100"], ["3600", "50"]),
        ("window in exponents", "2.0E3", "36e2"),
        ("window with blanks and sign", " +2000 ", "3600.0 "),
    ):
        d = film(chest)
        d.add(element(0x00281050, "DS", centre))
        d.add(element(0x00281051, "DS", width))
        yield Kind(GROUP, name, save(d), read(), made)
    d = film(chest, window=None)
    yield Kind(GROUP, "no window, the whole range is shown", save(d), read(), chest / 4095)
    d.add(element(0x00281050, "DS", ""))
    d.add(element(0x00281051, "DS", ""))
    yield Kind(GROUP, "window of empty values", save(d), read(), chest / 4095)
    d = film(chest, window=None)
    d.WindowCenter = 2000
    yield Kind(GROUP, "centre of a window without its width", save(d), read(may="window"), chest / 4095)
    for width in ("0", "-5"):
        yield Kind(GROUP, f"window of width {width}", save(film(chest, window=(2000, width))), answered("window"), compare="none")
    d = film(chest)
    d.add(element(0x00281056, "CS", "linear_exact "))
    yield Kind(GROUP, "VOI LUT function in small letters", save(d), read(), window(chest, 2048, 4096, "LINEAR_EXACT"),
               apart={"dcmtk": "knows LINEAR and SIGMOID", "pydicom": "wants capitals"})
    d = film(chest, window=(2048, "-100"))
    d.VOILUTFunction = "SIGMOID"
    yield Kind(GROUP, "SIGMOID of negative width", save(d), answered("window"), compare="none")
    d = film(chest)
    d.VOILUTFunction = "CUBIC"
    yield Kind(GROUP, "unlisted VOI LUT function", save(d), refused("VOI LUT function"))
    d = film(chest, window=None)
    d.add(element(0x00281050, "DS", "NaN"))
    d.add(element(0x00281051, "DS", "1"))
    yield Kind(GROUP, "centre of a window that is no number", save(d), refused("WindowCenter"))


def rescaled(chest: Array) -> Iterator[Kind]:
    values = chest.astype(float)
    for slope, intercept in ((1, -1024), (2, 0), (0.5, 100), (0.001, -1), (-1, 4095), (1, 0.25)):
        ends = sorted((intercept, 4095 * slope + intercept))
        shown = values * slope + intercept
        for with_window in (True, False):
            centre, width = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) * 0.9
            if with_window and width < 1:
                continue
            d = film(chest, window=(round(centre, 3), round(width, 3)) if with_window else None)
            d.RescaleSlope, d.RescaleIntercept, d.RescaleType = str(slope), str(intercept), "US"
            made = window(shown, round(centre, 3), round(width, 3)) if with_window else (shown - ends[0]) / (ends[1] - ends[0])
            name = f"rescaled by {slope} and {intercept}, {'window' if with_window else 'no window'}"
            # A negative slope turns the film into a negative of what it is.
            expect = read(may="negative|polarity|invert") if slope < 0 else read()
            apart = {"dcmtk": "rounds what was rescaled"} if slope < 1 and slope > 0 else {}
            yield Kind(GROUP, name, save(d), expect, made, apart=apart)
    d = film((chest.astype(int) - 2048).astype("<i2"), window=(0, 4096))
    yield Kind(GROUP, "signed with a window", save(d), read(), window(chest.astype(int) - 2048, 0, 4096))
    d = film(chest)
    d.RescaleSlope, d.RescaleIntercept = "0", "0"
    yield Kind(GROUP, "slope of zero", save(d), refused("RescaleSlope"))


def table(first: int, bits: int, entries: Array, vr: str = "US", data: str = "OW") -> Sequence:
    """A sequence with a lookup table; `entries` are written in their own type."""
    d = Dataset()
    d.add(element(0x00283002, vr, [len(entries) % 65536, first, bits]))
    if data == "OW":
        raw = entries.tobytes()
        d.add(element(0x00283006, "OW", raw + b"\0" * (len(raw) % 2)))
    else:
        d.add(element(0x00283006, data, entries.tolist()))
    return Sequence([d])


def looked_up(values: Array, first: int, entries: Array) -> Array:
    return entries.astype(float)[np.clip(values.astype(int) - first, 0, len(entries) - 1)]


def modality_tables(chest: Array) -> Iterator[Kind]:
    curve = (np.arange(4096) / 4095) ** 0.7
    for bits in (8, 10, 12, 16):
        entries = (curve * (2**bits - 1)).round().astype("<u2")
        d = film(chest, window=None)
        d.ModalityLUTSequence = table(0, bits, entries)
        d.ModalityLUTSequence[0].ModalityLUTType = "US"
        made = looked_up(chest, 0, entries) / (2**bits - 1)
        yield Kind(GROUP, f"modality LUT of {bits} bits", save(d), read(), made)
    entries = (curve[:2000] * 65535).round().astype("<u2")
    d = film(chest, window=(32768, 65536))
    d.ModalityLUTSequence = table(1000, 16, entries)
    d.ModalityLUTSequence[0].ModalityLUTType = "US"
    yield Kind(GROUP, "modality LUT from 1000 of 2000 entries, and a window", save(d), read(),
               window(looked_up(chest, 1000, entries), 32768, 65536))
    signed = (chest.astype(int) - 2048).astype("<i2")
    entries = (curve * 65535).round().astype("<u2")
    d = film(signed, window=None)
    d.ModalityLUTSequence = table(-2048, 16, entries, vr="SS")
    d.ModalityLUTSequence[0].ModalityLUTType = "US"
    yield Kind(GROUP, "modality LUT from -2048, signed pixels", save(d), read(), looked_up(signed, -2048, entries) / 65535)


def voi_tables(chest: Array) -> Iterator[Kind]:
    curve = (np.arange(4096) / 4095) ** 0.7
    for bits in (8, 10, 12, 14, 16):
        entries = (curve * (2**bits - 1)).round().astype("<u2")
        made = looked_up(chest, 0, entries) / (2**bits - 1)
        # Of 8 bits in words, pydicom takes each word for two entries.
        apart = {"pydicom": "takes words for bytes"} if bits == 8 else {}
        d = film(chest, window=(100, 50))
        d.VOILUTSequence = table(0, bits, entries)
        yield Kind(GROUP, f"VOI LUT of {bits} bits, before a window", save(d), read(), made, apart=apart)
        d = film(chest, window=None)
        d.VOILUTSequence = table(0, bits, entries, data="US")
        yield Kind(GROUP, f"VOI LUT of {bits} bits, as US", save(d), read(), made, apart=apart)
        yield Kind(GROUP, f"VOI LUT of {bits} bits, implicit", save(d, ImplicitVRLittleEndian), read(), made, apart=apart)
        d = film(chest.astype(">u2"), window=None)
        d.VOILUTSequence = table(0, bits, entries.astype(">u2"))
        yield Kind(GROUP, f"VOI LUT of {bits} bits, big endian", save(d, ExplicitVRBigEndian), read(), made, apart=apart)
    # Two entries of 8 bits to a word, the first in its lower half, whatever the order of bytes (PS3.3 C.11.1.1, PS3.5 annex A).
    eight = (curve * 255).round().astype("u1")
    made = looked_up(chest, 0, eight) / 255
    d = film(chest, window=None)
    d.VOILUTSequence = table(0, 8, eight)
    yield Kind(GROUP, "VOI LUT of 8 bits, two entries a word", save(d), read(), made)
    d = film(chest.astype(">u2"), window=None)
    d.VOILUTSequence = table(0, 8, eight.reshape(-1, 2)[:, ::-1].copy().reshape(-1))
    yield Kind(GROUP, "VOI LUT of 8 bits, two entries a word, big endian", save(d, ExplicitVRBigEndian), read(), made,
               apart={"pydicom": "reads words"})
    entries = (curve * 65535).round().astype("<u2")
    d = film(chest, window=None)
    d.VOILUTSequence = Sequence([*table(0, 16, entries), *table(0, 16, entries[::-1].copy())])
    yield Kind(GROUP, "two VOI LUTs, the first counts", save(d), read(), looked_up(chest, 0, entries) / 65535)
    wide = ((np.arange(65536) / 65535) ** 0.7 * 65535).round().astype("<u2")
    sixteen = (chest.astype(int) * 16).astype("<u2")
    d = film(sixteen, bits=16, window=None)
    d.VOILUTSequence = table(0, 16, wide)
    yield Kind(GROUP, "VOI LUT of 65536 entries", save(d), read(), looked_up(sixteen, 0, wide) / 65535)
    signed = (chest.astype(int) - 2048).astype("<i2")
    d = film(signed, window=None)
    d.VOILUTSequence = table(-2048, 16, entries, vr="SS")
    yield Kind(GROUP, "VOI LUT from -2048, signed pixels", save(d), read(), looked_up(signed, -2048, entries) / 65535)
    for syntax, what in ((None, "explicit"), (ImplicitVRLittleEndian, "implicit")):
        d = film(chest, window=None)
        d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "1", "-1024", "US"
        d.VOILUTSequence = table(-1024, 16, entries, vr="SS")
        apart = {"pydicom": "takes the sign of the pixels"} if syntax else {}
        yield Kind(GROUP, f"VOI LUT from -1024, unsigned pixels, intercept -1024, {what}", save(d, syntax) if syntax else save(d), read(),
                   looked_up(chest, 0, entries) / 65535, apart=apart)
    d = film((chest.astype(int) * 7 + 1500).astype("<i2"), bits=16, window=None)
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "1", "32768", "US"
    long = (np.arange(30000) * 65535 // 29999).astype("<u2")
    d.VOILUTSequence = table(34000, 16, long)
    yield Kind(GROUP, "VOI LUT from 34000, signed pixels, intercept 32768", save(d), read(),
               looked_up(chest.astype(int) * 7 + 1500 + 32768, 34000, long) / 65535)
    d = film(chest, window=None)
    d.VOILUTSequence = table(0, 16, entries)
    del d.VOILUTSequence[0].LUTDescriptor
    yield Kind(GROUP, "VOI LUT without descriptor", save(d), refused("VOILUTSequence|LUTDescriptor"))
    d = film(chest, window=None)
    d.VOILUTSequence = table(0, 16, entries[:1000])
    d.VOILUTSequence[0].LUTDescriptor = [4096, 0, 16]
    yield Kind(GROUP, "VOI LUT of fewer entries than described", save(d), refused("LUTData|entries"))


def padded(chest: Array) -> Iterator[Kind]:
    marked = chest.copy()
    marked[60:120, 60:76], marked[60:120, 100:116], marked[60:120, 140:156] = 0, 4095, 2048
    made = window(marked, 2048, 4096)
    signed = (marked.astype(int) - 2048).astype("<i2")
    for name, pixels, vr, value, win in (
        ("65535 of 12 bits pads nothing", marked, "US", 65535, (2048, 4096)),
        ("4096 of 12 bits pads nothing", marked, "US", 4096, (2048, 4096)),
        ("-32768 of 12 bits, signed, pads nothing", signed, "SS", -32768, (0, 4096)),
        ("63536 as US, signed pixels of 12 bits, pads nothing", signed, "SS", -2000 - 4096, (0, 4096)),
    ):
        d = film(pixels, window=win)
        d.add(element(0x00280120, vr, value))
        yield Kind(GROUP, f"padding value {name}", save(d), read(), made)
    corner = np.zeros(chest.shape, bool)
    corner[:40, :40] = True
    for name, photometric, value, limit in (
        ("padding value 0", "MONOCHROME2", 0, None),
        ("padding value 4095", "MONOCHROME2", 4095, None),
        ("padding values 4000 to 4095", "MONOCHROME2", 4000, 4095),
        ("padding values 4095 to 4000", "MONOCHROME2", 4095, 4000),
        ("padding values 4000 to 65535", "MONOCHROME2", 4000, 65535),
        ("padding value 4095, MONOCHROME1", "MONOCHROME1", 4095, None),
        ("padding value 0, MONOCHROME1", "MONOCHROME1", 0, None),
    ):
        pixels = chest.clip(1, 3999).astype("<u2") if photometric == "MONOCHROME2" else (4095 - chest).clip(1, 3999).astype("<u2")
        pixels[corner] = min(value, 4095)
        shown = window(pixels, 2048, 4096)
        d = film(pixels, photometric=photometric)
        d.add(element(0x00280120, "US", value))
        if limit is not None:
            d.add(element(0x00280121, "US", limit))
        yield Kind(GROUP, name, save(d), read(), shown if photometric == "MONOCHROME2" else 1 - shown, inside=~corner, black=corner)


def padded_after_rescale(chest: Array) -> Iterator[Kind]:
    """Padding is stated in stored values, whatever they are rescaled to."""
    corner = np.zeros(chest.shape, bool)
    corner[:40, :40] = True
    stored = (chest.astype(int) - 2048).clip(-2047, 2047).astype("<i2")
    stored[corner] = -2048
    d = film(stored, window=(1000, 2048))
    d.RescaleSlope, d.RescaleIntercept, d.RescaleType = "0.5", "1024", "US"
    d.add(element(0x00280120, "SS", -2048))
    yield Kind(GROUP, "padding value -2048, signed, rescaled", save(d), read(), window(stored * 0.5 + 1024, 1000, 2048), inside=~corner,
               black=corner, apart={"dcmtk": "rounds what was rescaled"})


def shutters(chest: Array) -> Iterator[Kind]:
    rows, columns = np.mgrid[1 : chest.shape[0] + 1, 1 : chest.shape[1] + 1]
    made = window(chest, 2048, 4096)
    # PS3.3 C.7.6.11: edges and vertices are pixels, counted from 1; the edges of the rectangle are outside.
    for name, shown, outside in (
        ("RECTANGULAR", (rows > 20) & (rows < 240) & (columns > 15) & (columns < 210), None),
        ("CIRCULAR", (rows - 128) ** 2 + (columns - 112) ** 2 < 108**2, (rows - 128) ** 2 + (columns - 112) ** 2 > 112**2),
        ("POLYGONAL", (rows > 24) & (rows < 230) & (columns > 18) & (columns < 205), (rows < 18) | (rows > 237) | (columns < 12) | (columns > 212)),
    ):
        d = film(chest)
        d.ShutterShape = name
        if name == "RECTANGULAR":
            d.ShutterLeftVerticalEdge, d.ShutterRightVerticalEdge = 15, 210
            d.ShutterUpperHorizontalEdge, d.ShutterLowerHorizontalEdge = 20, 240
            outside = (rows < 20) | (rows > 240) | (columns < 15) | (columns > 210)
        elif name == "CIRCULAR":
            d.CenterOfCircularShutter, d.RadiusOfCircularShutter = [128, 112], 110
        else:
            d.VerticesOfThePolygonalShutter = [21, 15, 21, 209, 234, 209, 234, 15]
        yield Kind(GROUP, f"shutter {name}", save(d), read(may=SHUT), made, inside=shown, black=outside)
    d = film(np.ascontiguousarray(np.rot90(chest)), window=(2048, 4096))
    d.PatientOrientation, d.ShutterShape = ["F", "R"], ["RECTANGULAR", "CIRCULAR"]
    d.ShutterLeftVerticalEdge, d.ShutterRightVerticalEdge = 20, 240
    d.ShutterUpperHorizontalEdge, d.ShutterLowerHorizontalEdge = 15, 210
    d.CenterOfCircularShutter, d.RadiusOfCircularShutter = [112, 128], 118
    # As filed: 224 rows, 256 columns.
    down, across = np.mgrid[1:225, 1:257]
    far = np.hypot(down - 112, across - 128)
    shown = (down > 15) & (down < 210) & (across > 20) & (across < 240) & (far < 116)
    outside = (down < 15) | (down > 210) | (across < 20) | (across > 240) | (far > 120)
    turn = lambda a: np.rot90(a, -1)
    yield Kind(GROUP, "two shutters on a film that lies on its side", save(d), read(may=SHUT), made, turn=turn,
               inside=turn(shown), black=turn(outside))
    d = film(chest)
    d.ShutterShape, d.ShutterPresentationValue = "RECTANGULAR", 65535
    d.ShutterLeftVerticalEdge, d.ShutterRightVerticalEdge = 15, 210
    d.ShutterUpperHorizontalEdge, d.ShutterLowerHorizontalEdge = 20, 240
    shown = (rows > 20) & (rows < 240) & (columns > 15) & (columns < 210)
    yield Kind(GROUP, "shutter that is shown white", save(d), read(may=SHUT), made, inside=shown)


def aspects(chest: Array) -> Iterator[Kind]:
    made = window(chest, 2048, 4096)
    flat = chest.reshape(128, 2, 224).mean(axis=1).astype("<u2")
    may = "aspect|spacing|resampl"
    for name, attribute, values in (
        ("pixel aspect ratio 2\\1", 0x00280034, ["2", "1"]),
        ("pixel spacing 0.4\\0.2", 0x00280030, ["0.4", "0.2"]),
        ("imager pixel spacing 0.4\\0.2", 0x00181164, ["0.4", "0.2"]),
    ):
        d = film(flat)
        d.add(element(attribute, "IS" if attribute == 0x00280034 else "DS", values))
        yield Kind(GROUP, name, save(d), read(may=may), made, compare="canonical", bar=0.01)
    thin = np.ascontiguousarray(flat.T)
    d = film(thin)
    d.add(element(0x00280034, "IS", ["1", "2"]))
    d.PatientOrientation = ["F", "L"]
    yield Kind(GROUP, "pixel aspect ratio 1\\2, film on its side", save(d), read(may=may + "|turn|orient"), made, compare="canonical", bar=0.01)
    for name, attribute, values in (
        ("pixel aspect ratio 1\\1", 0x00280034, ["1", "1"]),
        ("pixel spacing 0.2\\0.2", 0x00280030, ["0.2", "0.2"]),
        ("imager pixel spacing 0.139\\0.139", 0x00181164, ["0.139", "0.139"]),
    ):
        d = film(chest)
        d.add(element(attribute, "IS" if attribute == 0x00280034 else "DS", values))
        yield Kind(GROUP, name, save(d), read(), made)
