"""The files that pydicom ships, in its own package and in `pydicom-data`.

Each has two answers. Its verdict is what a client says of the file as it is: nearly all are no chest films. Its pixels are compared in a
copy that says of itself what a chest film says, and leaves out what turns, hides or scales the picture: everything that has to do with the
values of the pixels stays as it is.
"""

import io
import pathlib
import warnings
from dataclasses import dataclass, field

import pydicom
from pydicom.data import get_charset_files, get_palette_files, get_testdata_files
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000, UID, JPEGBaseline8Bit, JPEGExtended12Bit

import oracles
from compare import Ours, difference, kept, render
from films import CR

LOSSLESS_BAR, LOSSY_BAR = 1e-4, 0.01
# The luma of three samples is rounded to a level of their depth.
ROUNDED_BAR = 0.5 / 255 + 1e-5
# JPEG 2000 and HTJ2K of these syntaxes can be either; the stream says which, the syntax does not.
LOSSY = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.81"}
# What a copy leaves out: statements on what is shown, not on the values of the pixels.
LEFT_OUT = (
    "PatientOrientation", "ViewPosition", "ViewCodeSequence", "AnatomicRegionSequence", "ImageType", "PresentationIntentType", "BurnedInAnnotation",
    "PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "ShutterShape", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "PresentationLUTShape", "PresentationLUTSequence",
)
# Reasons to refuse the copy of a file that a radiographer accepts, by a word of the refusal, in the words of the page.
REASONS = {
    "several_frames": "several frames",
    "colour": "in colour",
    "transfer syntax": "transfer syntax",
    "number of bits": "number of bits",
    "bits stored": "number of bits",
    "JPEG": "coding that is not read",
    "do not fit BitsStored": "stream against its attributes",
    "missing": "no pixels, rows or columns",
    "unknown_format": "no image",
    "malformed": "damaged",
    "photometric": "photometric interpretation",
    "palette": "palette in segments",
}


@dataclass
class File:
    """What was found of one file."""

    name: str
    verdict: str
    pixels: str
    difference: float | None = None
    wrong: list[str] = field(default_factory=list)


def every_file() -> list[tuple[str, pathlib.Path]]:
    """Each file and its name within its package, without sources and metadata of the packages."""
    found = {}
    for path in map(pathlib.Path, get_testdata_files() + get_charset_files() + get_palette_files()):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            parts = path.parts
            at = max(i for i, part in enumerate(parts) if part in ("data", "test_files", "charset_files", "palettes"))
            found[f"{'/'.join(parts[at + 1:])}"] = path
    return sorted(found.items())


def restated(data: bytes) -> bytes | None:
    """The copy; none where pydicom finds no picture."""
    try:
        d = oracles.dataset(data)
        if "Rows" not in d or not any(key in d for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _restated(d)
    except Exception:
        return None


def _restated(d: Dataset) -> bytes:
    for keyword in LEFT_OUT:
        if keyword in d:
            delattr(d, keyword)
    d.SOPClassUID, d.Modality, d.ViewPosition, d.BodyPartExamined = CR, "CR", "PA", "CHEST"
    d.SOPInstanceUID = "1.2.3.4"
    if not getattr(d.file_meta, "TransferSyntaxUID", None):
        implicit, little = d.original_encoding
        d.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2")
    d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = CR, d.SOPInstanceUID
    b = io.BytesIO()
    pydicom.dcmwrite(b, d, enforce_file_format=True)
    return b.getvalue()


def run(program: pathlib.Path, folder: pathlib.Path) -> list[File]:
    """Every file, as it is and restated."""
    files = every_file()
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for number, (_, path) in enumerate(files):
        copy = folder / f"{number:03}.dcm"
        copy.write_bytes(restated(path.read_bytes()) or b"")
        copies.append(copy)
    as_they_are = render(program, [path for _, path in files], folder / "filed", "--unchecked")
    as_chests = render(program, copies, folder / "restated", "--unchecked")
    results = []
    for (name, path), copy, filed, chest in zip(files, copies, as_they_are, as_chests, strict=True):
        result = File(name, filed.short, "")
        compared(result, copy.read_bytes(), chest)
        if not filed.read and chest.read and not acceptable_filed(filed):
            result.wrong.append(f"the file itself: {filed.reason}")
        results.append(result)
    return results


def acceptable_filed(filed: Ours) -> bool:
    """Whether the reason against the file itself is what it says of its image, not that it cannot be read."""
    return filed.said["kind"] in ("refused", "missing")


def compared(result: File, copy: bytes, chest: Ours) -> None:
    """Holds the pixels of the copy against pydicom's."""
    if not copy:
        result.pixels = "none"
        return
    try:
        wanted = oracles.by_pydicom(copy)
    except oracles.NotRead:
        result.pixels = "not read by pydicom" + (", but here" if chest.read else "")
        return
    if not chest.read:
        reason = next((text for word, text in REASONS.items() if word in chest.reason), None)
        result.pixels = f"refused: {reason}" if reason else "refused"
        if reason in (None, "damaged", "no image", "no pixels, rows or columns"):
            result.wrong.append(f"pydicom reads it; {chest.reason}")
        return
    result.pixels = "read"
    # Differences count as part of what the film could fill, not of what it was stretched from.
    part = 1.0
    stretched = next((one for one in chest.said["report"]["warnings"] if one["warning"] == "stretched"), None)
    if stretched:
        low, high = stretched["low"], stretched["high"]
        d = oracles.dataset(copy)
        first, last = oracles.declared(d)
        wanted = (wanted * (last - first) + first - low) / (high - low) if d.PhotometricInterpretation != "MONOCHROME1" else (
            1 - ((1 - wanted) * (last - first) + first - low) / (high - low))
        result.pixels, part = "read, stretched", (high - low) / (last - first)
    result.difference = difference(chest.picture, wanted[kept(chest, None)], None) * part
    d = oracles.dataset(copy)
    lossy = d.file_meta.TransferSyntaxUID in LOSSY
    bar = LOSSY_BAR if lossy else ROUNDED_BAR if d.SamplesPerPixel > 1 else LOSSLESS_BAR
    if not result.difference <= bar:
        result.wrong.append(f"largest difference {result.difference:.3g}, allowed {bar:g}")
