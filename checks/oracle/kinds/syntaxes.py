"""The transfer syntaxes: those of a PACS, at every depth, and those that are refused."""

import io
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import UID, ExplicitVRLittleEndian

import jpeg
from films import Array, Kind, answered, either, film, read, refused, restated, save

GROUP = "syntaxes"
FAMILY = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
# A refusal of a syntax names a program that writes the file in another one.
WAY_OUT = "gdcmconv|dcmdjp|dcmdrle|dcmconv|uncompressed"
LOSSY = 0.01


def kinds(chest: Array) -> Iterator[Kind]:
    """`chest` in every syntax."""
    yield from run_length(chest)
    yield from lossy_jpeg(chest)
    yield from lossless_jpeg(chest)
    yield from jpeg_ls(chest)
    yield from jpeg_2000(chest)
    yield from other_depths(chest)
    yield from fragments(chest)
    yield from uncompressed(chest)
    yield from unread(chest)


def scaled(chest: Array, bits: int) -> Array:
    """The film at another depth."""
    return ((chest.astype(int) << 4) >> (16 - bits)).astype("u1" if bits <= 8 else "<u2")


def compressed(d, syntax: str, stream: bytes | list[bytes]) -> bytes:
    """A file whose pixels are `stream`, a frame or its fragments."""
    streams = [stream] if isinstance(stream, bytes) else stream
    padded = [one + b"\0" * (len(one) % 2) for one in streams]
    d.PixelData = encapsulate(padded[:1], has_bot=False) if len(padded) == 1 else raw_fragments(padded)
    d["PixelData"].VR = "OB"
    d["PixelData"].is_undefined_length = True
    return save(d, UID(syntax))


def raw_fragments(fragments: list[bytes]) -> bytes:
    item = lambda body: b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body
    return item(b"") + b"".join(map(item, fragments)) + b"\xfe\xff\xdd\xe0\0\0\0\0"


def by_dcmtk(data: bytes, *command: str) -> bytes:
    """What a program of dcmtk writes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "in.dcm"), pathlib.Path(folder, "out.dcm")
        source.write_bytes(data)
        subprocess.run([*command, str(source), str(target)], check=True, capture_output=True, timeout=30)
        return target.read_bytes()


def run_length(chest: Array) -> Iterator[Kind]:
    for bits in (8, 10, 12, 16):
        values = scaled(chest, bits)
        d = film(values, bits=bits, window=None)
        stream = RLELosslessEncoder.encode(
            values, rows=d.Rows, columns=d.Columns, samples_per_pixel=1, bits_allocated=d.BitsAllocated, bits_stored=bits,
            pixel_representation=0, photometric_interpretation="MONOCHROME2", number_of_frames=1, encoding_plugin="pydicom",
        )
        yield Kind(GROUP, f"RLE, {bits} bits", compressed(d, RLE, stream), read(), values / (2**bits - 1))
    data = by_dcmtk(save(film((chest.astype(int) - 2048).astype("<i2"), window=None)), "dcmcrle")
    yield Kind(GROUP, "RLE, 12 bits, signed", data, read(), chest / 4095)


def lossy_jpeg(chest: Array) -> Iterator[Kind]:
    small = scaled(chest, 8)
    for quality in (75, 95):
        b = io.BytesIO()
        Image.fromarray(small).save(b, "JPEG", quality=quality)
        data = compressed(film(small, bits=8, window=None), FAMILY + "50", b.getvalue())
        yield Kind(GROUP, f"JPEG baseline, 8 bits, quality {quality}", data, read(), bar=LOSSY)
        data = compressed(film(small, bits=8, window=None), FAMILY + "51", b.getvalue())
        yield Kind(GROUP, f"JPEG extended, 8 bits, quality {quality}", data, read(), bar=LOSSY)
    exif = Image.Exif()
    exif[0x0112] = 6
    b = io.BytesIO()
    Image.fromarray(small).save(b, "JPEG", quality=95, exif=exif)
    data = compressed(film(small, bits=8, window=None), FAMILY + "50", b.getvalue())
    yield Kind(GROUP, "JPEG baseline with an EXIF orientation, which DICOM does not know", data, read(), bar=LOSSY)
    wide = film(chest, window=(2048, 4096))
    wide_data = compressed(wide, FAMILY + "50", b.getvalue())
    yield Kind(GROUP, "JPEG baseline of 8 bits where 12 are stated", wide_data, answered("bits|black or white|constant|chest"), compare="none")
    twelve = film(chest, window=None)
    yield Kind(GROUP, "JPEG extended, 12 bits", by_dcmtk(save(twelve), "dcmcjpeg", "+ee", "+bt"), either(WAY_OUT), bar=LOSSY)
    for option, what in (("+es", "spectral selection"), ("+ep", "progressive")):
        data = by_dcmtk(save(film(small, bits=8, window=None)), "dcmcjpeg", option)
        yield Kind(GROUP, f"JPEG {what}, 8 bits", data, either(WAY_OUT), bar=LOSSY)


def lossless_jpeg(chest: Array) -> Iterator[Kind]:
    for bits in (8, 10, 12, 16):
        values = scaled(chest, bits)
        for predictor in range(1, 8):
            syntax = FAMILY + ("70" if predictor == 1 else "57")
            data = compressed(film(values, bits=bits, window=None), syntax, jpeg.lossless(values, max(bits, 2), predictor))
            yield Kind(GROUP, f"JPEG lossless, {bits} bits, predictor {predictor}", data, read(), values / (2**bits - 1),
                       row=f"JPEG lossless, {bits} bits, predictors 1 to 7")
        data = by_dcmtk(save(film(values, bits=bits, window=None)), "dcmcjpeg", "+e1")
        yield Kind(GROUP, f"JPEG lossless by dcmtk, {bits} bits", data, read(), values / (2**bits - 1))
    signed = (chest.astype(int) - 2048).astype("<i2")
    yield Kind(GROUP, "JPEG lossless by dcmtk, 12 bits, signed", by_dcmtk(save(film(signed, window=None)), "dcmcjpeg", "+e1"), read(), chest / 4095)
    for shift in (1, 2, 4):
        for predictor in (1, 4, 7):
            data = compressed(film(chest, window=None), FAMILY + "57", jpeg.lossless(chest, 12, predictor, shift))
            wanted = (chest.astype(int) >> shift << shift) / 4095
            # pylibjpeg is no reference here.
            yield Kind(GROUP, f"JPEG lossless, point transform {shift}, predictor {predictor}", data, either(WAY_OUT), wanted,
                       apart={"pydicom": "by pylibjpeg, which is wrong here"}, row="JPEG lossless with a point transform")
    data = compressed(film(chest, window=None), FAMILY + "57", jpeg.lossless(chest, 12, 1, restart_rows=16))
    yield Kind(GROUP, "JPEG lossless with restart intervals", data, either(WAY_OUT), chest / 4095)
    d = film((chest << 4).astype("<u2"), window=None)
    d.HighBit = 15
    data = by_dcmtk(save(d), "dcmcjpeg", "+e1")
    yield Kind(GROUP, "JPEG lossless by dcmtk, 12 bits with high bit 15", data, either("HighBit|high bit"), chest / 4095,
               apart={"pydicom": "does not shift"})


def jpeg_ls(chest: Array) -> Iterator[Kind]:
    for bits in (8, 12, 16):
        data = by_dcmtk(save(film(scaled(chest, bits), bits=bits, window=None)), "dcmcjpls")
        yield Kind(GROUP, f"JPEG-LS lossless, {bits} bits", data, refused("JPEG-LS", "gdcmconv|dcmdjpls"))
    data = by_dcmtk(save(film(chest, window=None)), "dcmcjpls", "+en")
    yield Kind(GROUP, "JPEG-LS near lossless, 12 bits", data, refused("JPEG-LS", "gdcmconv|dcmdjpls"))


def jpeg_2000(chest: Array) -> Iterator[Kind]:
    for bits in (8, 10, 12, 16):
        values = scaled(chest, bits)
        made = values / (2**bits - 1)
        unsigned = lambda: film(values, bits=bits, window=None)
        plain = imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", bitspersample=bits, reversible=True)
        yield Kind(GROUP, f"JPEG 2000 lossless, {bits} bits", compressed(unsigned(), FAMILY + "90", plain), read(), made)
        yield Kind(GROUP, f"JPEG 2000, {bits} bits, reversible", compressed(unsigned(), FAMILY + "91", plain), read(), made)
        boxed = imagecodecs.jpeg2k_encode(values, level=0, codecformat="jp2", bitspersample=bits, reversible=True)
        yield Kind(GROUP, f"JPEG 2000 lossless in a JP2 file, {bits} bits", compressed(unsigned(), FAMILY + "90", boxed), either(WAY_OUT + "|code stream"), made)
        lossy = imagecodecs.jpeg2k_encode(values, level=45, codecformat="j2k", bitspersample=bits, reversible=False)
        yield Kind(GROUP, f"JPEG 2000 lossy, {bits} bits", compressed(unsigned(), FAMILY + "91", lossy), read(), bar=LOSSY)
        if bits > 8:
            wide = imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", reversible=True)
            if bits < 16:
                yield Kind(GROUP, f"JPEG 2000 lossless, {bits} bits in a stream of 16", compressed(unsigned(), FAMILY + "90", wide), read(), made)
            signed = (values.astype(int) - 2 ** (bits - 1)).astype("<i2")
            stream = imagecodecs.jpeg2k_encode(signed, level=0, codecformat="j2k", bitspersample=bits, reversible=True)
            yield Kind(GROUP, f"JPEG 2000 lossless, {bits} bits, signed", compressed(film(signed, bits=bits, window=None), FAMILY + "90", stream), read(), made)
            stream = imagecodecs.htj2k_encode(signed, reversible=True)
            yield Kind(GROUP, f"HTJ2K lossless, {bits} bits, signed", compressed(film(signed, bits=bits, window=None), FAMILY + "201", stream), read(), made)
        high = imagecodecs.htj2k_encode(values, reversible=True)
        for number in ("201", "202", "203"):
            yield Kind(GROUP, f"HTJ2K {FAMILY}{number}, {bits} bits, reversible", compressed(unsigned(), FAMILY + number, high), read(), made)
        # The step of quantisation is a part of what the samples' type can hold.
        step = 0.0005 * 2.0 ** (bits - 8 * values.dtype.itemsize)
        lossy = imagecodecs.htj2k_encode(values, level=step, reversible=False)
        yield Kind(GROUP, f"HTJ2K lossy, {bits} bits", compressed(unsigned(), FAMILY + "203", lossy), read(), bar=LOSSY)


def other_depths(chest: Array) -> Iterator[Kind]:
    small = scaled(chest, 8)
    word = "bits|black or white|constant|chest|values"
    stream = imagecodecs.jpeg2k_encode(small, level=0, codecformat="j2k")
    data = compressed(film(chest), FAMILY + "90", stream)
    yield Kind(GROUP, "JPEG 2000 of 8 bits where 12 are stated", data, answered(word), compare="none")
    data = compressed(film(chest), FAMILY + "70", jpeg.lossless(small, 8))
    yield Kind(GROUP, "JPEG lossless of 8 bits where 12 are stated", data, answered(word), compare="none")
    signed = (chest.astype(int) - 2048).astype("<i2")
    stream = imagecodecs.jpeg2k_encode(signed, level=0, codecformat="j2k", bitspersample=12)
    data = compressed(film(chest), FAMILY + "90", stream)
    yield Kind(GROUP, "JPEG 2000, signed, where unsigned is stated", data, answered("signed|PixelRep|values|black or white|chest"), compare="none")


def fragments(chest: Array) -> Iterator[Kind]:
    stream = jpeg.lossless(chest, 12)
    stream += b"\0" * (len(stream) % 2)
    made = chest / 4095
    third = len(stream) // 6 * 2
    pieces = [stream[:third], stream[third : 2 * third], stream[2 * third :]]
    yield Kind(GROUP, "one frame in three fragments", compressed(film(chest, window=None), FAMILY + "70", pieces), read(), made)
    d = film(chest, window=None)
    d.PixelData = encapsulate([stream], has_bot=True)
    d["PixelData"].VR, d["PixelData"].is_undefined_length = "OB", True
    yield Kind(GROUP, "a basic offset table", save(d, UID(FAMILY + "70")), read(), made)
    d = film(chest, window=None)
    d.PixelData, d.ExtendedOffsetTable, d.ExtendedOffsetTableLengths = encapsulate_extended([stream])
    d["PixelData"].VR, d["PixelData"].is_undefined_length = "OB", True
    yield Kind(GROUP, "an extended offset table", save(d, UID(FAMILY + "70")), read(), made)
    cut = stream[: len(stream) // 2]
    yield Kind(GROUP, "a stream that is cut", compressed(film(chest, window=None), FAMILY + "70", cut), refused("malformed"))
    d = film(np.concatenate([chest, chest]), window=None)
    yield Kind(GROUP, "a stream of another size", compressed(d, FAMILY + "70", stream), refused("size"))
    d = film(chest, window=None)
    data = restated(compressed(d, FAMILY + "70", stream), ExplicitVRLittleEndian)
    yield Kind(GROUP, "compressed, against its transfer syntax", data, refused("transfer syntax"))


def uncompressed(chest: Array) -> Iterator[Kind]:
    data = restated(compressed(film(chest, window=None), FAMILY + "70", chest.tobytes()), "1.2.840.10008.1.2.1.98")
    yield Kind(GROUP, "encapsulated uncompressed", data, either("transfer syntax"), chest / 4095)


def unread(chest: Array) -> Iterator[Kind]:
    for uid, what in (
        (FAMILY + "92", "JPEG 2000 part 2 lossless"),
        (FAMILY + "93", "JPEG 2000 part 2"),
        (FAMILY + "94", "JPIP"),
        (FAMILY + "100", "MPEG-2"),
        (FAMILY + "102", "MPEG-4"),
        (FAMILY + "107", "HEVC"),
        (FAMILY + "110", "JPEG XL lossless"),
        (FAMILY + "112", "JPEG XL"),
        ("1.2.840.10008.1.2.6.1", "RFC 2557 MIME"),
        ("1.2.840.113619.5.2", "private, GE"),
        ("1.2.3.4.5", "unlisted"),
    ):
        data = restated(compressed(film(chest, window=None), FAMILY + "70", bytes(64)), uid)
        yield Kind(GROUP, f"{what}, {uid}", data, refused("transfer syntax"))
