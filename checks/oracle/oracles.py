"""What other software makes of a file: pydicom, dcmtk, Pillow. Grey from 0 (black) to 1 (white)."""

import io
import pathlib
import subprocess
import warnings

import numpy as np
import pydicom
from PIL import Image, ImageOps
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from films import Array

TIMEOUT = 30


class NotRead(Exception):
    """The software does not read the file."""


def dataset(data: bytes) -> Dataset:
    """A data set by pydicom, with or without preamble and meta header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(io.BytesIO(data), force=True)
        except Exception as error:
            raise NotRead(f"{type(error).__name__}: {error}") from error


def declared(d: Dataset) -> tuple[float, float]:
    """The range that the modality transform of a data set can give, from what black is to what white is before the photometric inversion."""
    if d.get("ModalityLUTSequence"):
        return 0.0, float(2 ** d.ModalityLUTSequence[0].LUTDescriptor[2] - 1)
    bits = d.get("BitsStored", d.BitsAllocated)
    low, high = (0, 2**bits - 1) if not d.get("PixelRepresentation", 0) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    slope, intercept = float(d.get("RescaleSlope", 1) or 1), float(d.get("RescaleIntercept", 0) or 0)
    ends = low * slope + intercept, high * slope + intercept
    return min(ends), max(ends)


def by_pydicom(data: bytes) -> Array:
    """The first frame: modality and VOI transform, photometric interpretation. Of a colour image, its luma (BT.601)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _by_pydicom(dataset(data))
        except NotRead:
            raise
        except Exception as error:
            raise NotRead(f"{type(error).__name__}: {error}") from error


def _by_pydicom(d: Dataset) -> Array:
    if not getattr(d.file_meta, "TransferSyntaxUID", None):
        implicit, little = d.original_encoding
        d.file_meta.TransferSyntaxUID = (
            pydicom.uid.ImplicitVRLittleEndian
            if implicit
            else pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian
        )
    photometric = d.PhotometricInterpretation
    # Frames are counted by what is stated; none stated, or 0, is one.
    if not d.get("NumberOfFrames"):
        d.NumberOfFrames = 1
    values = d.pixel_array
    if d.NumberOfFrames > 1:
        values = values[0]
    if photometric == "PALETTE COLOR":
        rgb = pydicom.pixels.apply_color_lut(values, d)
        return luma(rgb / (2.0 ** (8 * rgb.dtype.itemsize) - 1))
    if values.ndim == 3:
        # pixel_array has brought luma and chroma to RGB.
        return luma(values / (2.0 ** d.BitsStored - 1))
    shown = apply_modality_lut(values, d)
    if d.get("VOILUTSequence"):
        full = 2.0 ** d.VOILUTSequence[0].LUTDescriptor[2] - 1
        grey = apply_voi_lut(shown, d, prefer_lut=True) / full
    elif d.get("WindowWidth") not in (None, "") and d.get("WindowCenter") not in (None, ""):
        # apply_voi_lut gives values of the range that the stored bits have, from the lowest stored value's to the highest's.
        first = float(d.get("RescaleSlope", 1) or 1) < 0 and "ModalityLUTSequence" not in d
        low, high = declared(d)[::-1] if first else declared(d)
        grey = (apply_voi_lut(shown, d, prefer_lut=False).astype(float) - low) / (high - low)
    else:
        low, high = declared(d)
        grey = (shown.astype(float) - low) / (high - low)
    return 1 - grey if photometric == "MONOCHROME1" else grey


def luma(rgb: Array) -> Array:
    """BT.601."""
    return rgb[..., :3] @ np.array([0.299, 0.587, 0.114])


def whole(d: Dataset) -> list[str]:
    """A window of dcmtk over the whole range of a grey image."""
    try:
        low, high = declared(d)
    except (AttributeError, TypeError, ValueError):
        return []
    return ["+Ww", str(low + (high - low + 1) / 2), str(high - low + 1)] if str(d.get("PhotometricInterpretation", "")).startswith("MONO") else []


PROGRAMS = {
    **{f"1.2.840.10008.1.2.4.{number}": "dcmj2pnm" for number in range(50, 71)},
    "1.2.840.10008.1.2.4.80": "dcml2pnm",
    "1.2.840.10008.1.2.4.81": "dcml2pnm",
}


def by_dcmtk(path: pathlib.Path, folder: pathlib.Path, d: Dataset | None) -> Array:
    """The first frame by dcmtk, 16 bits: VOI LUT or first window where there is one, else the whole range."""
    # Without a window dcmtk would divide by the number of values, not by the largest.
    voi: list[str] = whole(d) if d is not None else []
    if d is not None and d.get("VOILUTSequence"):
        voi = ["+Wl", "1"]
    elif d is not None and d.get("WindowWidth") not in (None, "") and d.get("WindowCenter") not in (None, ""):
        voi = ["+Wi", "1"]
    syntax = getattr(getattr(d, "file_meta", None), "TransferSyntaxUID", "")
    out = folder / "dcmtk.png"
    out.unlink(missing_ok=True)
    command = [PROGRAMS.get(syntax, "dcm2pnm"), "-q", "-O", "+F", "1", *voi, "+on2", str(path), str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotRead(f"{command[0]} takes longer than {TIMEOUT} s") from error
    if done.returncode != 0 or not out.is_file():
        raise NotRead(f"{command[0]}: exit status {done.returncode}")
    image = np.asarray(Image.open(out))
    image = image.astype(float) / (65535 if image.dtype.itemsize > 1 else 255)
    return luma(image) if image.ndim == 3 else image


def dcmtk_bar(d: Dataset, bar: float) -> float:
    """What dcmtk may differ by: it rounds to 16 bits, colours to 8, and divides the entries of a VOI LUT by their number of values."""
    if not str(d.get("PhotometricInterpretation", "")).startswith("MONO"):
        return max(bar, 1 / 255)
    if d.get("VOILUTSequence") and "LUTDescriptor" in d.VOILUTSequence[0]:
        return max(bar, 1 / 2 ** d.VOILUTSequence[0].LUTDescriptor[2])
    return max(bar, 2.5e-5)


def by_pillow(data: bytes) -> Array:
    """A raster file in grey: the first picture, opacity over black, EXIF orientation applied."""
    try:
        with warnings.catch_warnings():
            # Of EXIF data that is damaged on purpose.
            warnings.simplefilter("ignore")
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        values = np.asarray(image)
    except Exception as error:
        raise NotRead(f"{type(error).__name__}: {error}") from error
    if image.mode == "1":
        return values.astype(float)
    if image.mode == "F":
        return values.astype(float)
    grey = values.astype(float) / (65535 if image.mode.startswith("I") else 255)
    if image.mode == "LA":
        return grey[..., 0] * grey[..., 1]
    if image.mode == "RGBA":
        return luma(grey) * grey[..., 3]
    return luma(grey) if grey.ndim == 3 else grey
