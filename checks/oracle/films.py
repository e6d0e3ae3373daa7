"""The film that every kind is made from, how it is written, and what a kind is.

The film is a synthetic chest, 256 rows of 224 columns, 12 bits, bone bright. No file holds anything of a patient.
"""

import io
import pathlib
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pydicom.config
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
DX_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"

Array = np.ndarray
Turn = Callable[[Array], Array]


@dataclass(frozen=True)
class Expect:
    """What a client has to say of a file.

    `verdict` is "read", "refused", "answered" (refused, or read with a warning) or "either" (read without one, or refused). Each of `words` is a regular expression that a warning
    must match, or the refusal. Other warnings may come only if they match `may`.
    """

    verdict: str
    words: tuple[str, ...] = ()
    may: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.words:
            return self.verdict
        joint = {"read": "read, warns of ", "refused": "refused for ", "answered": "refused or warns of ", "either": "read, or refused for "}[self.verdict]
        return joint + ", ".join(word.replace("|", " or ").replace(".*", " … ") for word in self.words)


def read(*words: str, may: tuple[str, ...] | str = ()) -> Expect:
    """The file is read, with a warning for each of `words` and none besides those of `may`."""
    return Expect("read", words, (may,) if isinstance(may, str) else may)


def refused(*words: str) -> Expect:
    """The file is refused, and its reason has each of `words`."""
    return Expect("refused", words)


def answered(*words: str, may: tuple[str, ...] | str = ()) -> Expect:
    """The file is refused, or read with a warning, that has each of `words`."""
    return Expect("answered", words, (may,) if isinstance(may, str) else may)


def either(*words: str) -> Expect:
    """The file is read without a warning, or refused with a reason that has each of `words`: never wrongly and silently."""
    return Expect("either", words)


@dataclass
class Kind:
    """One file, what is to become of it, and how its picture is held against that of other software."""

    group: str
    name: str
    data: bytes
    expect: Expect
    # The upright picture, 0 to 1, by the formulas of the standard; the software's pictures are compared in any case.
    made: Array | None = None
    # From the picture as it is filed to the upright one.
    turn: Turn | None = None
    # Largest difference allowed, as part of the range.
    bar: float = 1e-4
    # "exact"; "affine": equal up to brightness and contrast, of which enough must be left; "canonical": mean difference of the canonical
    # images; "none".
    compare: str = "exact"
    # Pixels of the upright picture that count; all by default.
    inside: Array | None = None
    # Pixels of the upright picture that must be black.
    black: Array | None = None
    # Software that is not to be compared, and why not.
    apart: dict[str, str] = field(default_factory=dict)
    suffix: str = "dcm"
    # The row of the page, where several kinds share one.
    row: str | None = None


def chest(path: pathlib.Path) -> Array:
    """The film, 12 bits, of a synthetic chest of 16 bits and 1024 pixels a side."""
    large = np.asarray(Image.open(path)).astype(float)
    if large.shape != (1024, 1024):
        raise ValueError(f"{path}: a phantom of 1024 × 1024 pixels is wanted, {large.shape} came")
    small = large.reshape(256, 4, 256, 4).mean(axis=(1, 3))[:, 16:240]
    return np.clip(small / 16 + 60, 0, 4095).round().astype("<u2")


def element(tag: int, vr: str, value: object) -> DataElement:
    """A data element with the representation that is asked for, and a value that the standard may forbid."""
    return DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)


def film(
    pixels: Array,
    bits: int = 12,
    sop: str = CR,
    modality: str | None = "CR",
    view: str | None = "PA",
    body: str | None = "CHEST",
    window: tuple[float, float] | None = (2048, 4096),
    photometric: str = "MONOCHROME2",
) -> Dataset:
    """A data set of a grey film that states all that a chest film has to state."""
    d = Dataset()
    d.SOPClassUID, d.SOPInstanceUID = sop, "1.2.3.4"
    d.StudyInstanceUID, d.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    if modality is not None:
        d.Modality = modality
    if view is not None:
        d.ViewPosition = view
    if body is not None:
        d.BodyPartExamined = body
    d.PatientOrientation = ["L", "F"]
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, photometric
    d.Rows, d.Columns = pixels.shape[:2]
    d.BitsAllocated = 8 * pixels.dtype.itemsize
    d.BitsStored, d.HighBit, d.PixelRepresentation = bits, bits - 1, int(pixels.dtype.kind == "i")
    if window is not None:
        d.WindowCenter, d.WindowWidth = window
    put(d, pixels)
    return d


def put(d: Dataset, pixels: Array, vr: str | None = None) -> None:
    """Native pixels, in the order of bytes that the array has."""
    raw = np.ascontiguousarray(pixels).tobytes()
    d.PixelData = raw + b"\0" * (len(raw) % 2)
    d["PixelData"].VR = vr or "OW"


def meta(d: Dataset, syntax: str) -> FileMetaDataset:
    """The file meta information of a data set."""
    m = FileMetaDataset()
    m.MediaStorageSOPClassUID, m.MediaStorageSOPInstanceUID = d.SOPClassUID, d.SOPInstanceUID
    m.TransferSyntaxUID = syntax
    return m


def save(d: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The bytes of a file. Pixels of more than a byte must already have the order of bytes of `syntax`."""
    d.file_meta = meta(d, syntax)
    d.preamble = bytes(128)
    b = io.BytesIO()
    with warnings.catch_warnings():
        # Some kinds hold values that the standard forbids.
        warnings.simplefilter("ignore")
        dcmwrite(b, d, enforce_file_format=True)
    return b.getvalue()


def window(values: Array, centre: float, width: float, function: str = "LINEAR") -> Array:
    """Grey by PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    x = np.asarray(values, float)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (x - centre) / width))
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0, 1)
    span = width - 1
    if span == 0:
        return (x > centre - 0.5).astype(float)
    return np.clip((x - (centre - 0.5)) / span + 0.5, 0, 1)


def explicit(tag: int, vr: str, value: bytes) -> bytes:
    """The bytes of an element, explicit little endian."""
    group, number = tag >> 16, tag & 0xFFFF
    if vr in ("OB", "OW", "UN", "SQ", "UT", "UC", "UR"):
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    """The bytes of an element, implicit little endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def item(inside: bytes, undefined: bool = False) -> bytes:
    """An item of a sequence, little endian, of defined or undefined length."""
    if undefined:
        return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inside + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside


def unknown(tag: int, content: bytes, undefined: bool) -> bytes:
    """An element as UN, explicit little endian, of defined or undefined length (PS3.5 6.2.2)."""
    if not undefined:
        return explicit(tag, "UN", content)
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"UN", 0, 0xFFFFFFFF)
    return head + content + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def body(file: bytes) -> bytes:
    """The data set of a file, without preamble and meta header."""
    return file[132 + 12 + struct.unpack_from("<I", file, 140)[0] :]


def restated(file: bytes, syntax: str) -> bytes:
    """A file whose meta header states another transfer syntax, and nothing else."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = explicit(0x00020010, "UI", uid)
    return bytes(128) + b"DICM" + explicit(0x00020000, "UL", struct.pack("<I", len(element))) + element + body(file)


def spliced(file: bytes, tag: int, inserted: bytes, instead: bool = False) -> bytes:
    """A file of explicit little endian with bytes put before the first element of the root at or above `tag`, or in place of it."""
    at = 132
    while at < len(file):
        group, number, vr = struct.unpack_from("<HH2s", file, at)
        found = group << 16 | number
        long = vr in (b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR")
        length = struct.unpack_from("<I", file, at + 8)[0] if long else struct.unpack_from("<H", file, at + 6)[0]
        end = at + (12 if long else 8) + length
        if found >= tag:
            return file[:at] + inserted + file[end if instead and found == tag else at :]
        at = end
    return file + inserted
