"""Raster files: PNG, JPEG, TIFF, BMP, WebP, in every kind of pixel, and their orientation."""

import io
import struct
import zlib
from collections.abc import Iterator

import imagecodecs
import numpy as np
from PIL import Image

from films import Array, Expect, Kind, either, read, refused

GROUP = "raster"
LOSSY = 0.01

# From the picture as it is filed to the upright one, by the number of the EXIF and TIFF orientation.
TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.T,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, 1),
}
BACK = {**{number: TURNS[number] for number in (1, 2, 3, 4, 5, 7)}, 6: TURNS[8], 8: TURNS[6]}


def kinds(chest: Array) -> Iterator[Kind]:
    """`chest` in every kind of raster file."""
    grey = (chest >> 4).astype("u1")
    wide = (chest.astype(int) * 65535 // 4095).astype("u2")
    yield from png(grey, wide)
    yield from jpeg(grey)
    yield from tiff(grey, wide)
    yield from bmp_and_webp(grey)
    yield from oriented(grey, wide)
    yield from refusals(grey)


def file(image: Image.Image | Array, kind: str, **options: object) -> bytes:
    """A file written by Pillow."""
    b = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(b, kind, **options)
    return b.getvalue()


def good(name: str, data: bytes, suffix: str, made: Array | None, bar: float = 1e-4, expect: Expect | None = None, **more) -> Kind:
    return Kind(GROUP, name, data, expect or read(), made, suffix=suffix, bar=bar, **more)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, before: bytes = b"") -> bytes:
    """A PNG of rows with their filter bytes."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def packed(values: Array, depth: int) -> bytes:
    """Rows of 1, 2 or 4 bits a pixel, each behind the filter byte 0."""
    bits = ((values[..., None] >> np.arange(depth - 1, -1, -1)) & 1).reshape(len(values), -1).astype("u1")
    return b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))


def png(grey: Array, wide: Array) -> Iterator[Kind]:
    height, width = grey.shape
    made = grey / 255
    yield good("PNG, 8 bits", file(grey, "PNG"), "png", made)
    # Pillow rounds what is wider than 8 bits in colour.
    yield good("PNG, 16 bits", file(wide, "PNG"), "png", wide / 65535)
    yield good("PNG, RGB that is grey", file(np.stack([grey] * 3, -1), "PNG"), "png", made)
    yield good("PNG, RGBA", file(np.dstack([grey, grey, grey, 255 - grey // 2]), "PNG"), "png", made * (255 - grey // 2) / 255)
    yield good("PNG, grey with opacity", file(np.dstack([grey, 255 - grey // 2]), "PNG"), "png", made * (255 - grey // 2) / 255)
    palette = Image.fromarray(grey).convert("P")
    palette.putpalette([level for level in range(256) for _ in range(3)])
    yield good("PNG, palette that is grey", file(palette, "PNG"), "png", np.asarray(palette.convert("L")) / 255)
    for depth in (1, 2, 4):
        values = grey >> (8 - depth)
        expect = refused("black or white|level|contrast") if depth == 1 else read(may="contrast|stretch|level|unlike")
        yield good(f"PNG, {depth} bits", raw_png(width, height, depth, 0, packed(values, depth)), "png", values / (2**depth - 1), expect=expect)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    yield good("PNG, 16 bits with 12 significant", raw_png(width, height, 16, 0, rows, chunk(b"sBIT", bytes([12]))), "png", wide / 65535)
    yield good("PNG with a gamma of 1", raw_png(width, height, 16, 0, rows, chunk(b"gAMA", struct.pack(">I", 100000))), "png", wide / 65535)
    triple = b"".join(b"\0" + np.repeat(row.astype(">u2"), 3).tobytes() for row in wide)
    yield good("PNG, RGB of 16 bits that is grey", raw_png(width, height, 16, 2, triple), "png", wide / 65535,
               apart={"Pillow": "cuts it to 8 bits"})


def jpeg(grey: Array) -> Iterator[Kind]:
    colour = np.stack([grey] * 3, -1)
    for name, image, options in (
        ("JPEG", grey, {}),
        ("JPEG, progressive", grey, {"progressive": True}),
        ("JPEG, RGB that is grey", colour, {}),
        ("JPEG, RGB that is grey, without subsampling", colour, {"subsampling": 0}),
        ("JPEG with restart markers", grey, {"restart_marker_blocks": 8}),
        ("JPEG with a comment", grey, {"comment": "a name"}),
    ):
        yield good(name, file(image, "JPEG", quality=92, **options), "jpg", None, LOSSY)
    tinted = np.stack([grey, grey // 2, 255 - grey], -1)
    yield Kind(GROUP, "JPEG in colour", file(tinted, "JPEG"), refused("colour"), suffix="jpg")
    inks = Image.merge("CMYK", [Image.fromarray(255 - grey)] * 4)
    yield Kind(GROUP, "JPEG of four inks", file(inks, "JPEG"), refused("colour|CMYK"), suffix="jpg")


def raw_tiff(
    entries: dict[int, tuple[int, list[int]]],
    pixels: bytes,
    order: str = "<",
    places: list[int] | None = None,
    lengths: list[int] | None = None,
) -> bytes:
    """A TIFF, of one strip unless `places` says more; `entries` are type (3 short, 4 long) and values by tag. Tags 273 and 279, the strips'
    places and lengths, are added unless there are tiles."""
    head = 8
    entries = dict(entries)
    if 324 not in entries:
        entries |= {273: (4, places or [head]), 279: (4, lengths or [len(pixels)])}
    directory = head + len(pixels) + len(pixels) % 2
    behind = directory + 2 + 12 * len(entries) + 4
    lines, extra = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(content) > 4:
            place = struct.pack(f"{order}I", behind + len(extra))
            extra += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        lines += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, directory)
    return start + pixels + b"\0" * (len(pixels) % 2) + struct.pack(f"{order}H", len(entries)) + lines + struct.pack(f"{order}I", 0) + extra


def grey_tiff(values: Array, order: str = "<", bits: int | None = None, photometric: int = 1, **more: tuple[int, list[int]]) -> bytes:
    """A grey TIFF without compression; `more` are further tags, as t274=(3, [6])."""
    bits = bits or 8 * values.dtype.itemsize
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    height, width = values.shape[:2]
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits]), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [1]), 278: (4, [height])}
    return raw_tiff(tags | {int(name[1:]): value for name, value in more.items()}, raw, order)


def tiff(grey: Array, wide: Array) -> Iterator[Kind]:
    made = grey / 255
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield good(f"TIFF, 8 bits, {compression or 'uncompressed'}", file(grey, "TIFF", compression=compression), "tif", made)
    for order, what in (("<", "little endian"), (">", "big endian")):
        yield good(f"TIFF, 16 bits, {what}", grey_tiff(wide, order), "tif", wide / 65535)
        yield good(f"TIFF, 8 bits, {what}", grey_tiff(grey, order), "tif", made)
    yield good("TIFF, 16 bits, LZW", file(wide, "TIFF", compression="tiff_lzw"), "tif", wide / 65535)
    yield good("TIFF, 8 bits, white is zero", grey_tiff(255 - grey, photometric=0), "tif", made)
    yield good("TIFF, 16 bits, white is zero", grey_tiff(65535 - wide, photometric=0), "tif", wide / 65535,
               apart={"Pillow": "does not turn 16 bits"})
    yield good("TIFF, RGB that is grey", file(np.stack([grey] * 3, -1), "TIFF"), "tif", made)
    data = file(Image.fromarray(grey).convert("P"), "TIFF")
    yield good("TIFF, palette that is grey", data, "tif", None, expect=either("palette.*PNG"))
    yield good("TIFF, LZW with a predictor", file(grey, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}), "tif", made)
    data = planes_tiff(grey)
    yield good("TIFF, RGB that is grey, by plane", data, "tif", made, expect=either("plan|support"))
    yield good("TIFF, JPEG within", file(grey, "TIFF", compression="jpeg", quality=95), "tif", None, LOSSY, either("JPEG|loss|support"))
    yield good("TIFF in strips", file(grey, "TIFF", strip_size=4096), "tif", made)
    yield good("TIFF in tiles", tiles_tiff(grey), "tif", made)
    for name, values, tag in (("signed", (wide.astype(int) - 32768).astype("i2"), 2), ("float", (wide / 65535).astype("f4"), 3)):
        data = grey_tiff(values, t339=(3, [tag]))
        yield Kind(GROUP, f"TIFF, {name} samples", data, either("sample|float|signed|colour|support"), wide / 65535, suffix="tif",
                   apart={"Pillow": "has no such grey"})
    first, second = Image.fromarray(grey), Image.fromarray(255 - grey)
    yield Kind(GROUP, "TIFF of two pages", file(first, "TIFF", save_all=True, append_images=[second]), refused("frame|page"), suffix="tif")
    bits = Image.fromarray(grey).convert("1")
    yield Kind(GROUP, "TIFF of 1 bit, CCITT group 4", file(bits, "TIFF", compression="group4"), refused(""), suffix="tif")


def planes_tiff(grey: Array) -> bytes:
    """A TIFF of three samples, each in a plane of its own, all in one run of bytes."""
    height, width = grey.shape
    size = grey.size
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [2]), 277: (3, [3]), 278: (4, [height]), 284: (3, [2]),
    }
    return raw_tiff(tags, grey.tobytes() * 3, places=[8 + n * size for n in range(3)], lengths=[size] * 3)


def tiles_tiff(grey: Array) -> bytes:
    """A TIFF of four tiles; the size is no multiple of the tile's."""
    tiles = [np.zeros((160, 128), "u1") for _ in range(4)]
    for number, tile in enumerate(tiles):
        part = grey[160 * (number // 2) :, 128 * (number % 2) :][:160, :128]
        tile[: part.shape[0], : part.shape[1]] = part
    pixels = b"".join(tile.tobytes() for tile in tiles)
    size = 160 * 128
    tags = {
        256: (4, [grey.shape[1]]), 257: (4, [grey.shape[0]]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]),
        322: (4, [128]), 323: (4, [160]), 324: (4, [8 + n * size for n in range(4)]), 325: (4, [size] * 4),
    }
    return raw_tiff(tags, pixels)


def bmp_and_webp(grey: Array) -> Iterator[Kind]:
    made = grey / 255
    colour = np.stack([grey] * 3, -1)
    yield good("BMP, 8 bits", file(grey, "BMP"), "bmp", made)
    yield good("BMP, 24 bits that are grey", file(colour, "BMP"), "bmp", made)
    yield good("BMP, 32 bits that are grey", file(np.dstack([colour, np.full_like(grey, 255)]), "BMP"), "bmp", made)
    # Rows from the top: the height is negative.
    head = struct.pack("<2sIHHI", b"BM", 54 + 1024 + grey.size, 0, 0, 54 + 1024)
    head += struct.pack("<IiiHHIIiiII", 40, grey.shape[1], -grey.shape[0], 1, 8, 0, grey.size, 2835, 2835, 256, 0)
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    yield good("BMP, 8 bits, rows from the top", head + palette + grey.tobytes(), "bmp", made)
    yield good("WebP, lossless", file(colour, "WEBP", lossless=True), "webp", made)
    yield good("WebP, lossless, with opacity", file(np.dstack([colour, 255 - grey // 2]), "WEBP", lossless=True, exact=True), "webp", made * (255 - grey // 2) / 255)
    yield good("WebP, lossy", file(colour, "WEBP", quality=92), "webp", None, 0.02)
    frames = [Image.fromarray(colour), Image.fromarray(255 - colour)]
    yield Kind(GROUP, "WebP, two frames", file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), refused("frame"), suffix="webp")


def oriented(grey: Array, wide: Array) -> Iterator[Kind]:
    may = "turn|orient|mirror"
    for number, back in BACK.items():
        exif = Image.Exif()
        exif[0x0112] = number
        lying = np.ascontiguousarray(back(grey))
        yield good(f"JPEG, EXIF orientation {number}", file(lying, "JPEG", quality=95, exif=exif), "jpg", None, LOSSY, read(may=may), turn=TURNS[number])
        yield good(f"PNG, EXIF orientation {number}", file(lying, "PNG", exif=exif), "png", grey / 255, expect=read(may=may), turn=TURNS[number])
        yield good(f"WebP, EXIF orientation {number}", file(np.stack([lying] * 3, -1), "WEBP", lossless=True, exif=exif), "webp", grey / 255, expect=read(may=may), turn=TURNS[number])
        data = grey_tiff(np.ascontiguousarray(back(wide)), t274=(3, [number]))
        yield good(f"TIFF, orientation {number}", data, "tif", wide / 65535, expect=read(may=may), turn=TURNS[number])
    lying = np.ascontiguousarray(BACK[6](grey))
    small = struct.pack("<2sHIHHHIIII", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)[:26]
    late = file(lying, "PNG")
    late = late[:-12] + chunk(b"eXIf", small) + late[-12:]
    yield good("PNG, EXIF orientation 6 behind the pixels", late, "png", grey / 255, expect=read(may=may), turn=TURNS[6],
               apart={"Pillow": "reads it only after the pixels"})
    exif = Image.Exif()
    exif[0x0112] = 9
    yield good("JPEG, EXIF orientation 9, which does not exist", file(grey, "JPEG", quality=95, exif=exif), "jpg", None, LOSSY, read(may=may))
    lying = np.ascontiguousarray(BACK[6](grey))
    exif[0x0112] = 6
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    yield good("JPEG, EXIF orientation 6, big endian", file(lying, "JPEG", quality=95, exif=big), "jpg", None, LOSSY, read(may=may), turn=TURNS[6])
    broken = b"Exif\0\0MM\0*\xff\xff\xff\xff\0\x01"
    yield good("JPEG, EXIF that is damaged", file(grey, "JPEG", quality=95, exif=broken), "jpg", None, LOSSY, read(may=may))


def refusals(grey: Array) -> Iterator[Kind]:
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    yield Kind(GROUP, "PNG, animated", file(frames[0], "PNG", save_all=True, append_images=frames[1:]), refused("frame"), suffix="png")
    yield Kind(GROUP, "GIF", file(grey, "GIF"), refused("format|export|GIF"), suffix="gif")
    yield Kind(GROUP, "JPEG 2000 file", imagecodecs.jpeg2k_encode(grey, level=0, codecformat="jp2"), refused("format|export|2000"), suffix="jp2")
    yield Kind(GROUP, "PDF", b"%PDF-1.4\n" + bytes(2000), refused("format|export|PDF"), suffix="pdf")
    for name, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("BMP", "bmp"), ("TIFF", "tif")):
        data = file(grey, name)
        yield Kind(GROUP, f"{name} that is cut", data[: len(data) // 2], refused("damaged|early|end|cut|malformed"), suffix=suffix)
    tinted = np.stack([grey, grey // 2, 255 - grey], -1)
    for name, suffix in (("PNG", "png"), ("BMP", "bmp"), ("WEBP", "webp"), ("TIFF", "tif")):
        yield Kind(GROUP, f"{name} in colour", file(tinted, name), refused("colour"), suffix=suffix)
    yield Kind(GROUP, "PNG of 64 pixels a side", file(grey[:64, :64], "PNG"), refused("short"), suffix="png")
