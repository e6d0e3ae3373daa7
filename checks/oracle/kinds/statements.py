"""What a DICOM file says of its image: modality, SOP class, intent, view, part of the body, orientation."""

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr import _snomed_dict
from pydicom.sr.codedict import codes

from films import CR, DX, DX_PROCESSING, Array, Kind, Turn, answered, element, film, read, refused, save, window

GROUP = "statements"
NEGATIVE = "negative"
STORAGE = "1.2.840.10008.5.1.4.1.1."

# Of CID 4010, by SCT code: those seen from the front or the back, not turned to a side.
FRONTAL = {"272479007": "PA", "399348003": "AP", "399033003": "frontal"}


def kinds(chest: Array) -> Iterator[Kind]:
    """Films of `chest` that say one thing each."""
    made = window(chest, 2048, 4096)
    yield from modalities(chest, made)
    yield from classes(chest, made)
    yield from views(chest, made)
    yield from parts(chest, made)
    yield from orientations(chest, made)
    yield from photometric(chest, made)


def modalities(chest: Array, made: Array) -> Iterator[Kind]:
    for modality in ("CR", "DX", "RG"):
        sop = DX if modality == "DX" else CR
        yield Kind(GROUP, f"modality {modality}", save(film(chest, sop=sop, modality=modality)), read(), made)
    for modality in ("CT", "MR", "US", "XA", "RF", "MG", "PX", "IO", "OT", "SC", "SEG", "DOC"):
        yield Kind(GROUP, f"modality {modality}", save(film(chest, modality=modality)), refused("modality"))
    yield Kind(GROUP, "modality missing", save(film(chest, modality=None)), refused("modality"))
    yield Kind(GROUP, "modality unlisted", save(film(chest, modality="XY")), refused("modality"))


def classes(chest: Array, made: Array) -> Iterator[Kind]:
    processing = "processing"
    negative = (4095 - chest).astype("<u2")
    yield Kind(GROUP, "DX for processing, by SOP class", save(film(negative, sop=DX_PROCESSING, modality="DX")), refused(processing))
    for sop, modality in ((CR, "CR"), (DX, "DX")):
        d = film(chest, sop=sop, modality=modality)
        d.PresentationIntentType = "FOR PROCESSING"
        yield Kind(GROUP, f"{modality} with intent FOR PROCESSING", save(d), refused(processing))
        d.PresentationIntentType = "FOR PRESENTATION"
        yield Kind(GROUP, f"{modality} with intent FOR PRESENTATION", save(d), read(), made)
    for number, what, word in (
        ("7", "secondary capture", "secondary"),
        ("7.2", "multi-frame secondary capture, grey byte", "secondary"),
        ("7.3", "multi-frame secondary capture, grey word", "secondary"),
        ("13.1.3", "breast tomosynthesis", "tomosynthesis"),
        ("13.1.4", "breast projection, for presentation", ""),
        ("1.2", "mammogram, for presentation", ""),
        ("1.3", "intra-oral, for presentation", ""),
        ("12.1", "X-ray angiography", ""),
        ("12.2", "X-ray radiofluoroscopy", ""),
        ("2", "CT", ""),
        ("4", "MR", ""),
        ("77.1.4", "visible light photograph", ""),
    ):
        yield Kind(GROUP, f"SOP class of {what}, modality CR", save(film(chest, sop=STORAGE + number)), answered(word, may=""), compare="none")
    for sop, modality in ((CR, "CR"), (DX, "DX")):
        for image_type in (["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY"], ["ORIGINAL", "PRIMARY", ""]):
            d = film(chest, sop=sop, modality=modality)
            d.ImageType = image_type
            yield Kind(GROUP, f"{modality}, image type {' '.join(image_type).strip()}, {len(image_type)} values", save(d), read(), made)
    for image_type, word in ((["DERIVED", "SECONDARY", "CAD"], "derived|CAD"), (["DERIVED", "PRIMARY", "TOMOSYNTHESIS"], "tomo")):
        d = film(chest)
        d.ImageType = image_type
        yield Kind(GROUP, f"image type {' '.join(image_type)}", save(d), answered(word), compare="none")
    d = film(chest)
    d.BurnedInAnnotation = "YES"
    yield Kind(GROUP, "burned-in annotation", save(d), read("burned"), made)


def coded(value: str, scheme: str, meaning: str) -> Sequence:
    """A code sequence of one item."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return Sequence([code])


def views(chest: Array, made: Array) -> Iterator[Kind]:
    good = lambda view: Kind(GROUP, f"view {view}", save(film(chest, view=view)), read(), made)
    for view in ("PA", "AP", "AP SUPINE", "PA ERECT", "POSTERO_ANTERIOR", "FRONTAL"):
        yield good(view)
    for view in ("LL", "RL", "LATERAL", "LAT", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "OBLIQUE", "PA OBLIQUE", "AP LAT"):
        yield Kind(GROUP, f"view {view}", save(film(chest, view=view)), refused("frontal"))
    yield Kind(GROUP, "view not stated", save(film(chest, view=None)), read("view"), made)
    for sct, names in sorted(cid_4010().items()):
        for value, scheme in ((sct, "SCT"), (_snomed_dict.mapping["SCT"].get(sct), "SRT")):
            if value is None:
                continue
            d = film(chest, view=None, sop=DX, modality="DX")
            d.ViewCodeSequence = coded(value, scheme, names)
            frontal = sct in FRONTAL
            name, expect = f"view code {scheme} {value}, {names}", read() if frontal else refused("frontal")
            row = f"view codes of CID 4010, {scheme}: {'frontal' if frontal else 'the others'}"
            yield Kind(GROUP, name, save(d), expect, made if frontal else None, row=row)
    for value, scheme in (("999999999", "SCT"), ("R-99999", "SRT"), ("X-17", "99VENDOR")):
        d = film(chest, view=None, sop=DX, modality="DX")
        d.ViewCodeSequence = coded(value, scheme, "unknown")
        yield Kind(GROUP, f"unlisted view code {scheme} {value}", save(d), refused(f"{value}"))
    d = film(chest, view="PA")
    d.ViewCodeSequence = coded("399067008", "SCT", "lateral")
    yield Kind(GROUP, "view PA, view code lateral", save(d), refused("frontal"))
    d = film(chest, view="LL")
    d.ViewCodeSequence = coded("399348003", "SCT", "antero-posterior")
    yield Kind(GROUP, "view LL, view code antero-posterior", save(d), refused("frontal"))


def cid_4010() -> dict[str, str]:
    """Its SCT codes and what they mean, as pydicom lists them."""
    listed = codes.CID4010
    return {getattr(listed, name).value: getattr(listed, name).meaning for name in listed.dir()}


def parts(chest: Array, made: Array) -> Iterator[Kind]:
    for body in ("CHEST", "THORAX", "LUNG", None):
        yield Kind(GROUP, f"body part {body or 'not stated'}", save(film(chest, body=body)), read(), made)
    for body in ("ABDOMEN", "HAND", "SKULL", "KNEE"):
        yield Kind(GROUP, f"body part {body}", save(film(chest, body=body)), answered("body|part|chest"), made)
    for value, scheme, meaning, is_chest in (
        ("51185008", "SCT", "Thorax", True),
        ("T-D3000", "SRT", "Chest", True),
        ("39607008", "SCT", "Lung", True),
        ("818981001", "SCT", "Abdomen", False),
        ("72696002", "SCT", "Knee", False),
        ("T-D4000", "SRT", "Abdomen", False),
        ("T-D8700", "SRT", "Hand", False),
    ):
        d = film(chest, body=None, sop=DX, modality="DX")
        d.AnatomicRegionSequence = coded(value, scheme, meaning)
        expect = read() if is_chest else answered("region|part|chest")
        yield Kind(GROUP, f"anatomic region {scheme} {value}, {meaning}", save(d), expect, made)


    d = film(chest, body="CHEST", sop=DX, modality="DX")
    d.AnatomicRegionSequence = coded("72696002", "SCT", "Knee")
    yield Kind(GROUP, "body part CHEST, anatomic region knee", save(d), answered("region|part|chest"), made)


# How each pair of letters turns the filed picture upright: rows to the patient's left, columns to the feet.
TURNS: dict[tuple[str, str], Turn] = {
    ("L", "F"): lambda a: a,
    ("R", "F"): np.fliplr,
    ("L", "H"): np.flipud,
    ("R", "H"): lambda a: np.rot90(a, 2),
    ("F", "L"): lambda a: a.T,
    ("H", "R"): lambda a: np.rot90(a, 2).T,
    ("F", "R"): lambda a: np.rot90(a, -1),
    ("H", "L"): lambda a: np.rot90(a, 1),
}


def filed(chest: Array, turn: Turn) -> Array:
    """What `turn` brings to `chest`: a turn of the square comes back after at most four times."""
    seen, found = chest, chest
    for _ in range(4):
        found = turn(seen)
        if found.shape == chest.shape and np.array_equal(found, chest):
            return np.ascontiguousarray(seen)
        seen = found
    raise ValueError("no turn of the square")


def orientations(chest: Array, made: Array) -> Iterator[Kind]:
    may = "turn|orient|mirror"
    for letters, turn in TURNS.items():
        d = film(filed(chest, turn))
        d.PatientOrientation = list(letters)
        yield Kind(GROUP, f"patient orientation {letters[0]}, {letters[1]}", save(d), read(may=may), made, turn=turn)
    for letters in (["LF", "FR"], ["LH", "FL"]):
        d = film(chest)
        d.PatientOrientation = letters
        yield Kind(GROUP, f"patient orientation {', '.join(letters)}", save(d), read(may=may), made)
    for letters in (["A", "F"], ["P", "F"], ["F", "A"]):
        d = film(chest)
        d.PatientOrientation = letters
        yield Kind(GROUP, f"patient orientation {', '.join(letters)}: from the side", save(d), refused("frontal"))
    d = film(chest)
    d.PatientOrientation = ["L", "R"]
    yield Kind(GROUP, "patient orientation L, R: contradicts itself", save(d), answered("orient"), made)
    d = film(chest)
    del d.PatientOrientation
    yield Kind(GROUP, "patient orientation not stated", save(d), read(), made)
    d = film(filed(chest, TURNS["R", "F"]), photometric="MONOCHROME1")
    d.PatientOrientation = ["R", "F"]
    yield Kind(GROUP, "mirrored, MONOCHROME1", save(d), read(may=f"{may}|{NEGATIVE}"), 1 - made, turn=np.fliplr)


def photometric(chest: Array, made: Array) -> Iterator[Kind]:
    negative = (4095 - chest).astype("<u2")
    turned = 1 - window(negative, 2048, 4096)
    word = "presentation"
    for term, shape, pixels, expect, wanted in (
        ("MONOCHROME2", "IDENTITY", chest, read(), made),
        ("MONOCHROME1", "INVERSE", negative, read(), turned),
        ("MONOCHROME1", None, negative, read(), turned),
        ("MONOCHROME1", "IDENTITY", negative, answered(word, may=NEGATIVE), None),
        ("MONOCHROME2", "INVERSE", negative, answered(word, may=NEGATIVE), None),
    ):
        d = film(pixels, photometric=term)
        if shape:
            d.PresentationLUTShape = shape
        name = f"{term}, presentation LUT shape {shape or 'not stated'}"
        yield Kind(GROUP, name, save(d), expect, wanted, compare="exact" if wanted is not None else "none")
    d = film(negative, sop=DX, modality="DX")
    d.PresentationIntentType, d.PixelIntensityRelationship, d.PixelIntensityRelationshipSign = "FOR PRESENTATION", "LOG", 1
    yield Kind(GROUP, "DX for presentation whose sign makes it a negative", save(d), answered("sign|negative", may=NEGATIVE), compare="none")
    d = film(chest, sop=DX, modality="DX")
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 16], bytes(8192)
    d.PresentationLUTSequence = Sequence([table])
    yield Kind(GROUP, "presentation LUT of its own", save(d), answered("presentation"), compare="none")
    d = film(chest)
    d.add(element(0x00280004, "CS", "MONOCHROME2  "))
    d.add(element(0x00185101, "CS", " pa"))
    yield Kind(GROUP, "terms with blanks, in small letters", save(d), read(), made)
    d = film(chest)
    del d.PhotometricInterpretation
    yield Kind(GROUP, "photometric interpretation missing", save(d), read("photometric"), made)
    yield Kind(GROUP, "photometric interpretation unlisted", save(film(chest, photometric="MONO")), refused("photometric"))
