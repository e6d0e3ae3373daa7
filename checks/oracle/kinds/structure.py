"""How the bytes of a DICOM file are laid out: syntaxes, sequences as UN, files without a preamble, odd elements, frames, other objects."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from films import (
    Array, Kind, body, element, explicit, film, implicit, item, put, read, refused, restated, save, spliced, unknown, window,
)

GROUP = "structure"
# The lookup tables here turn the film into a negative.
NEGATIVE = "negative"


def kinds(chest: Array) -> Iterator[Kind]:
    """Films whose pixels are those of `chest`, or files that hold no film."""
    made = window(chest, 2048, 4096)
    good = lambda name, data, **more: Kind(GROUP, name, data, read(), made, **more)
    yield good("explicit little endian", save(film(chest)))
    yield good("implicit little endian", save(film(chest), ImplicitVRLittleEndian))
    yield good("explicit big endian", save(film(chest.astype(">u2")), ExplicitVRBigEndian))
    yield good("deflated", save(film(chest), DeflatedExplicitVRLittleEndian))
    yield from sequences(chest, good)
    yield from elements(chest, good)
    yield from without_header(chest, good)
    yield from frames(chest, good)
    yield from damaged(chest)
    yield from others()


def sequences(chest: Array, good) -> Iterator[Kind]:
    plain = save(film(chest))
    creator = explicit(0x00090010, "LO", b"VENDOR 1")
    inside = implicit(0x00091001, b"AB")
    nested = implicit(0x00091003, item(inside)) + implicit(0x00091004, b"CDEF")
    for length in ("defined", "undefined"):
        for items in ("defined", "undefined"):
            content = item(inside, items == "undefined")
            name = f"private sequence as UN of {length} length, items of {items} length"
            yield good(name, spliced(plain, 0x00090010, creator + unknown(0x00091002, content, length == "undefined")))
        yield good(
            f"private sequence within one, UN of {length} length",
            spliced(plain, 0x00090010, creator + unknown(0x00091002, item(nested), length == "undefined")),
        )
        lut = implicit(0x00283002, struct.pack("<HHH", 4096, 0, 16))
        lut += implicit(0x00283006, (16 * (4095 - np.arange(4096))).astype("<u2").tobytes())
        table = film(chest, window=None)
        wanted = (4095 - chest.astype(float)) * 16 / 65535
        for tag, what in ((0x00283000, "modality LUT"), (0x00283010, "VOI LUT")):
            data = spliced(save(table), tag, unknown(tag, item(lut), length == "undefined"))
            # The table gives a sixteenth of its range.
            yield Kind(
                GROUP, f"{what} sequence as UN of {length} length", data, read(may=NEGATIVE), wanted,
                apart={"dcmtk": "reads no sequence in UN of defined length"} if length == "defined" else {},
            )
        code = implicit(0x00080100, b"399067008 ") + implicit(0x00080102, b"SCT ") + implicit(0x00080104, b"lateral ")
        data = spliced(save(film(chest, view=None)), 0x00540220, unknown(0x00540220, item(code), length == "undefined"))
        yield Kind(GROUP, f"lateral view code in a sequence as UN of {length} length", data, refused("frontal"))
    deep = inside
    for _ in range(12):
        deep = implicit(0x00091003, item(deep))
    yield good("twelve sequences within each other, as UN", spliced(plain, 0x00090010, creator + unknown(0x00091002, item(deep), True)))
    data = spliced(save(film(chest, window=None)), 0x00283010, unknown(0x00283010, item(lut), True))
    yield Kind(GROUP, "VOI LUT sequence as UN of undefined length, deflated", deflated(data), read(may=NEGATIVE), (4095 - chest.astype(float)) * 16 / 65535)
    yield good("UN of undefined length without items", spliced(plain, 0x00090010, creator + unknown(0x00091002, b"", True)))
    yield good("UN of defined length that is no sequence", spliced(plain, 0x00090010, creator + unknown(0x00091002, b"\xfe\xff\0\0abcd", False)))
    d = film(chest)
    inner = Dataset()
    inner.Rows, inner.Columns, inner.WindowCenter, inner.ViewPosition, inner.Modality = 1, 1, 5, "LL", "CT"
    d.ReferencedImageSequence = Sequence([inner])
    d.OriginalAttributesSequence = Sequence([])
    d.add(element(0x04000561, "SQ", [inner]))
    yield good("the same attributes within other sequences", save(d))
    d = film(chest)
    d.IconImageSequence = Sequence([film((chest[::4, ::4] >> 4).astype("u1"), bits=8, window=None)])
    yield good("an icon image before the pixels", save(d))
    yield good("the same in implicit little endian", save(d, ImplicitVRLittleEndian))


def deflated(file: bytes) -> bytes:
    """A file with its data set deflated (PS3.5 A.5)."""
    pack = zlib.compressobj(wbits=-15)
    packed = pack.compress(body(file)) + pack.flush()
    head = restated(file, DeflatedExplicitVRLittleEndian)
    return head[: len(head) - len(body(file))] + packed + b"\0" * (len(packed) % 2)


def elements(chest: Array, good) -> Iterator[Kind]:
    plain = save(film(chest))
    for tag, value, what in (
        (0x00280010, struct.pack("<H", chest.shape[0]), "Rows"),
        (0x00280100, struct.pack("<H", 16), "BitsAllocated"),
        (0x00281050, b"2048", "WindowCenter"),
        (0x00080060, b"CR", "Modality"),
        (0x00185101, b"PA", "ViewPosition"),
    ):
        apart = {"dcmtk": "reads no text in UN"} if tag == 0x00281050 else {}
        yield good(f"{what} as UN", spliced(plain, tag, unknown(tag, value, False), instead=True), apart=apart)
    data = spliced(plain, 0x00185101, unknown(0x00185101, b"LL", False), instead=True)
    yield Kind(GROUP, "lateral ViewPosition as UN", data, refused("frontal"))
    yield good("group lengths", spliced(plain, 0x00080000, explicit(0x00080000, "UL", struct.pack("<I", 9999))))
    yield good("padding behind the pixels", plain + explicit(0xFFFCFFFC, "OB", bytes(64)))
    yield good("a signature behind the pixels", plain + explicit(0xFFFAFFFA, "SQ", b""))
    yield good("1000 zeros behind the pixels", plain + bytes(1000))
    yield good("an element of odd length", spliced(plain, 0x00091001, explicit(0x00091001, "LO", b"odd")))
    yield good("64 KiB of a private element", spliced(plain, 0x00091001, explicit(0x00091001, "OB", bytes(65536))))
    d = film(chest)
    d.add(element(0x60000010, "US", chest.shape[0]))
    d.add(element(0x60003000, "OW", bytes(chest.size // 8)))
    yield good("an overlay before the pixels", save(d))
    d = film(chest)
    d.PixelData += b"\1\2"
    yield good("two bytes more than the pixels need", save(d))
    yield good("16 bits as UN", spliced(plain, 0x7FE00010, unknown(0x7FE00010, chest.tobytes(), False), instead=True))
    d = film(chest)
    d["PixelData"].VR = "OB"
    yield good("16 bits as OB", save(d))
    d = film(chest)
    d.SpecificCharacterSet, d.PatientName = "ISO_IR 192", "Ä^Ö"
    yield good("a name in UTF-8", save(d))
    without_length = plain[:132] + plain[132 + 12 :]
    yield good("meta header without its length", without_length)
    wrong = bytearray(plain)
    wrong[140:144] = struct.pack("<I", 3)
    yield good("meta header with a wrong length", bytes(wrong))


def without_header(chest: Array, good) -> Iterator[Kind]:
    plain = save(film(chest))
    yield good("meta header without preamble", save(film(chest))[132:])
    yield good("data set alone, explicit little endian", body(save(film(chest))))
    yield good("data set alone, implicit little endian", body(save(film(chest), ImplicitVRLittleEndian)))
    yield good("data set alone, explicit big endian", body(save(film(chest.astype(">u2")), ExplicitVRBigEndian)))
    yield good("preamble and DICM, no meta header", bytes(128) + b"DICM" + body(save(film(chest))))
    yield good("meta header, its UID padded by a blank", spliced(plain, 0x00020010, explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1 "), instead=True))
    yield good("preamble that looks like TIFF", b"II*\0" + save(film(chest))[4:])


def frames(chest: Array, good) -> Iterator[Kind]:
    for value in ("1", "0", "01"):
        d = film(chest)
        d.add(element(0x00280008, "IS", value))
        yield good(f"NumberOfFrames {value}", save(d))
    for value in (b"1 ", b"0 "):
        data = spliced(save(film(chest)), 0x00280008, unknown(0x00280008, value, False))
        yield good(f"NumberOfFrames {value.decode().strip()} as UN", data)
    d = film(chest)
    d.add(element(0x00280008, "IS", ""))
    yield good("NumberOfFrames empty", save(d))
    d = film(chest)
    d.NumberOfFrames = 2
    put(d, np.concatenate([chest, chest]))
    yield Kind(GROUP, "two frames", save(d), refused("frame"))


def damaged(chest: Array) -> Iterator[Kind]:
    plain = save(film(chest))
    yield Kind(GROUP, "cut within the pixels", plain[:-1000], refused("malformed"))
    yield Kind(GROUP, "cut before the pixels", plain[:600], refused("malformed|missing"))
    d = film(chest)
    d.Rows = chest.shape[0] + 1
    yield Kind(GROUP, "fewer pixels than rows and columns", save(d), refused("fewer pixels"))
    d = film(chest)
    del d.Rows
    yield Kind(GROUP, "without Rows", save(d), refused("Rows"))
    d = film(chest)
    del d["PixelData"]
    yield Kind(GROUP, "without pixels", save(d), refused("PixelData"))
    yield Kind(GROUP, "empty file", b"", refused("format"))
    yield Kind(GROUP, "no image", b"A letter, not an image.\n" * 20, refused("format"))


def others() -> Iterator[Kind]:
    for uid, modality, what in (
        ("1.2.840.10008.5.1.4.1.1.88.11", "SR", "structured report"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR", "presentation state"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO", "key object selection"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DOC", "encapsulated PDF"),
    ):
        d = Dataset()
        d.SOPClassUID, d.SOPInstanceUID, d.Modality = uid, "1.2.3.9", modality
        yield Kind(GROUP, what, save(d), refused(""), compare="none")


