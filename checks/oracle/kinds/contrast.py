"""What the pixels say: contrast that few pixels spoil, borders, negatives, films upside down, and pictures that are no chest."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from films import Array, Kind, answered, element, film, read, refused, save

GROUP = "contrast"
STRETCH = "stretch|contrast|levels|percentile|range|dark|narrow"
NEGATIVE = "negative|invert|polarity"
UPRIGHT = "upright|upside|turn|orient"
NO_CHEST = "chest|unlike|film|radiograph|black or white|constant|few"
BORDER = "border|collimat|crop|edge"


def kinds(chest: Array) -> Iterator[Kind]:
    """Films of `chest` with little contrast or foreign pixels, without a window; pictures of other things."""
    yield from stretched(chest)
    yield from bordered(chest)
    yield from framed(chest)
    yield from lying(chest)
    yield from no_chest(chest)


def png(values: Array) -> bytes:
    b = io.BytesIO()
    Image.fromarray(values).save(b, "PNG")
    return b.getvalue()


def raw(values: Array, bits: int = 16) -> bytes:
    return save(film(values.astype("u1" if bits <= 8 else "<u2"), bits=bits, window=None))


def affine(name: str, data: bytes, chest: Array, inside: Array | None = None, suffix: str = "dcm", bar: float = 1e-3, may: str = "") -> Kind:
    """A film that is to be shown with its contrast: equal to `chest` up to brightness and contrast."""
    return Kind(GROUP, name, data, read(may="|".join(filter(None, (STRETCH, may)))), chest / 4095, compare="affine", inside=inside, suffix=suffix, bar=bar)


def spoiled(values: Array, top: int) -> Iterator[tuple[str, Array, Array]]:
    """The film with foreign pixels, and where the film itself is left."""
    inside = np.ones(values.shape, bool)
    for what, level, where in (
        ("one hot pixel", top, np.s_[100, 100]),
        ("one dead pixel", 0, np.s_[100, 100]),
        ("a row of hot pixels", top, np.s_[200, :]),
        ("a marker of 1 % of the pixels", top, np.s_[10:34, 10:34]),
        ("a marker strip of 3 % of the pixels", top, np.s_[4:12, :]),
    ):
        found, left = values.copy(), inside.copy()
        found[where], left[where] = level, False
        yield what, found, left


def stretched(chest: Array) -> Iterator[Kind]:
    yield affine("12 bits in a range of 16", raw(chest), chest)
    yield affine("values 30000 to 34095 of 16 bits", raw(chest.astype(int) + 30000), chest)
    yield affine("40 levels of 256", raw(chest // 103 + 100, 8), chest // 103 * 103)
    yield affine("64 levels of 4096", raw(chest // 64 + 2000, 12), chest // 64 * 64)
    yield affine("100 levels of 1024", raw(chest // 41 + 500, 10), chest // 41 * 41)
    for what, values, inside in spoiled(chest, 65535):
        yield affine(f"12 bits in a range of 16, {what}", raw(values), chest, inside)
    for what, values, inside in spoiled((chest // 103 + 100).astype("u1"), 255):
        yield affine(f"40 levels of 256, {what}", raw(values, 8), chest // 103 * 103, inside)
    for what, values, inside in spoiled((chest // 4 + 1500).astype("<u2"), 4095):
        yield affine(f"1000 levels of 4096, {what}", raw(values, 12), chest // 4 * 4, inside)
    yield affine("PNG of 16 bits with 12 used", png(chest.astype("u2")), chest, suffix="png")
    yield affine("PNG of 8 bits with 40 levels", png((chest // 103 + 100).astype("u1")), chest // 103 * 103, suffix="png")
    for what, values, inside in spoiled(chest.astype("u2"), 65535):
        yield affine(f"PNG of 16 bits with 12 used, {what}", png(values), chest, inside, suffix="png")
    yield affine("PNG of 8 bits, 40 levels, one hot pixel", png(hot((chest // 103 + 100).astype("u1"))), chest // 103 * 103, not_hot(chest), suffix="png")
    yield Kind(GROUP, "one level", raw(np.full(chest.shape, 2000), 12), refused("constant|contrast"))
    yield Kind(GROUP, "one level and one hot pixel", raw(hot(np.full(chest.shape, 2000)), 12), refused("constant|contrast|black or white|chest"))
    yield Kind(GROUP, "two levels", raw((chest > 2000) * 4095, 12), answered(NO_CHEST))
    whole = chest / 4095
    yield Kind(GROUP, "12 bits, one hot pixel", raw(hot(chest), 12), read(), hot(chest) / 4095)
    yield Kind(GROUP, "8 bits, the whole range", raw(chest >> 4, 8), read(), (chest >> 4) / 255)
    yield Kind(GROUP, "PNG of 16 bits, the whole range", png((chest.astype(int) * 16).astype("u2")), read(), whole * 65520 / 65535, suffix="png")


def hot(values: Array) -> Array:
    found = values.copy()
    found[100, 100] = 4095 if found.dtype.itemsize > 1 else 255
    return found


def not_hot(values: Array) -> Array:
    left = np.ones(values.shape, bool)
    left[100, 100] = False
    return left


def bordered(chest: Array) -> Iterator[Kind]:
    inside = np.zeros(chest.shape, bool)
    inside[24:-24, 24:-24] = True
    middle = chest[24:-24, 24:-24]
    for level, what in ((0, "black"), (4095, "white"), (2000, "grey")):
        values = np.full(chest.shape, level)
        values[inside] = middle.ravel()
        yield Kind(GROUP, f"a {what} border of 24 pixels, the whole range", raw(values, 12), read(may=f"{BORDER}|{STRETCH}"), values / 4095, inside=inside)
    for level, what in ((0, "black"), (65535, "white")):
        values = np.full(chest.shape, level)
        values[inside] = middle.ravel() + 8000
        yield affine(f"a {what} border of 24 pixels, 12 bits in a range of 16", raw(values), chest, inside, may=BORDER)


def framed(chest: Array) -> Iterator[Kind]:
    """Films within a wide border, or within what the file says is none of the image."""
    values = np.zeros((448, 392), "<u2")
    values[96:352, 84:308] = chest
    may = f"{BORDER}|{STRETCH}"
    made = chest / 4095
    yield Kind(GROUP, "a wide black border is left out", raw(values, 12), read(may=may), made, compare="canonical", bar=0.01)
    yield Kind(GROUP, "a wide black border is left out, PNG", png((values * 16).astype("u2")), read(may=may), made, compare="canonical", bar=0.01, suffix="png")
    white = np.full((448, 392), 4095, "<u2")
    white[96:352, 84:308] = chest
    yield Kind(GROUP, "a wide white border is left out", raw(white, 12), read(may=may), made, compare="canonical", bar=0.01)
    inside = np.zeros(chest.shape, bool)
    inside[24:-24, 24:-24] = True
    padded = np.where(inside, chest.astype(int) + 8000, 65535).astype("<u2")
    d = film(padded, bits=16, window=None)
    d.add(element(0x00280120, "US", 65535))
    yield affine("padding of 65535 around 12 bits in a range of 16", save(d), chest, inside, may=BORDER)
    d = film(padded, bits=16, window=None)
    d.ShutterShape = "RECTANGULAR"
    d.ShutterLeftVerticalEdge, d.ShutterRightVerticalEdge = 24, chest.shape[1] - 23
    d.ShutterUpperHorizontalEdge, d.ShutterLowerHorizontalEdge = 24, chest.shape[0] - 23
    yield affine("white outside a shutter, 12 bits in a range of 16", save(d), chest, inside, may=f"{BORDER}|shutter")


def lying(chest: Array) -> Iterator[Kind]:
    made = chest / 4095
    yield Kind(GROUP, "a negative", raw(4095 - chest.astype(int), 12), answered(NEGATIVE), 1 - made)
    yield Kind(GROUP, "a negative, PNG", png((255 - (chest >> 4)).astype("u1")), answered(NEGATIVE), suffix="png")
    for name, turned in (("upside down", chest[::-1, ::-1]), ("on its right side", np.rot90(chest, 1)), ("on its left side", np.rot90(chest, -1))):
        d = film(np.ascontiguousarray(turned), window=None)
        del d.PatientOrientation
        yield Kind(GROUP, f"{name}, and the file does not say so", save(d), answered(UPRIGHT), compare="none")
        yield Kind(GROUP, f"{name}, PNG", png(np.ascontiguousarray(turned >> 4).astype("u1")), answered(UPRIGHT), compare="none", suffix="png")


def no_chest(chest: Array) -> Iterator[Kind]:
    rows, columns = np.mgrid[0:256, 0:256]
    random = np.random.default_rng(1)
    rings = 127.5 + 127.5 * np.sin(np.hypot(rows - 128, columns - 128) / 6)
    page = Image.new("L", (256, 256), 255)
    for row in range(12, 244, 14):
        ImageDraw.Draw(page).text((10, row), "the quick brown fox jumps over it", fill=0)
    drawing = Image.new("L", (256, 256), 200)
    pen = ImageDraw.Draw(drawing)
    pen.ellipse((40, 40, 120, 220), fill=60)
    pen.rectangle((140, 60, 230, 200), fill=120)
    for name, values in (
        ("a ramp to the right", columns),
        ("a ramp downwards", rows),
        ("a ramp across", (rows + columns) // 2),
        ("noise", random.integers(0, 256, (256, 256))),
        ("soft noise", np.asarray(Image.fromarray(random.integers(0, 256, (16, 16)).astype("u1")).resize((256, 256), Image.Resampling.BICUBIC))),
        ("rings", rings),
        ("a chessboard", ((rows // 32 + columns // 32) % 2) * 200 + 20),
        ("a page of text", np.asarray(page)),
        ("a drawing", np.asarray(drawing)),
        ("a disc", np.where(np.hypot(rows - 128, columns - 128) < 90, 190, 30)),
    ):
        data = np.asarray(values).astype("u1")
        yield Kind(GROUP, f"no chest: {name}", png(data), answered(NO_CHEST, may=f"{NEGATIVE}|{UPRIGHT}"), compare="none", suffix="png")
        yield Kind(GROUP, f"no chest: {name}, DICOM", raw(data, 8), answered(NO_CHEST, may=f"{NEGATIVE}|{UPRIGHT}"), compare="none")
    for name, data in (("a healthy chest", chest), ("a chest, mirrored", chest[:, ::-1])):
        grey = np.ascontiguousarray(data >> 4).astype("u1")
        yield Kind(GROUP, f"{name}: no false alarm", png(grey), read(), grey / 255, suffix="png")
