"""Ours held against what was expected: the verdict, and the largest difference of the pictures."""

import json
import pathlib
import re
import subprocess
from dataclasses import dataclass

import numpy as np

from films import Array, Expect, Turn

RASTER = "photometric=MONOCHROME2,view=PA,modality=CR"
# Of an affine comparison: the least part of the range between the first and the last hundredth of the pixels, and the least part of pixels
# that are neither black nor white.
SPREAD, UNCLIPPED = 0.5, 0.8


@dataclass
class Ours:
    """What the example `render` said of a file, and the pictures that it wrote."""

    said: dict
    picture: Array | None
    canonical: Array | None

    @property
    def read(self) -> bool:
        return bool(self.said["read"])

    @property
    def warnings(self) -> list[str]:
        """Each warning: its variant's name and its text."""
        if not self.read:
            return []
        return [f"{one['is']['warning']}: {one['text']}" for one in self.said["warnings"]]

    @property
    def reason(self) -> str:
        """The refusal: kind, rule, text."""
        rule = (self.said.get("refusal") or {}).get("rule", "")
        return f"{self.said['kind']} {rule}: {self.said['text']}"

    @property
    def short(self) -> str:
        """The verdict in a few words."""
        if self.read:
            names = [one["is"]["warning"] for one in self.said["warnings"]]
            return "read" + (f", warns: {', '.join(names)}" if names else "")
        return "refused: " + ((self.said.get("refusal") or {}).get("rule") or self.said["kind"])


def render(program: pathlib.Path, files: list[pathlib.Path], folder: pathlib.Path, *options: str) -> list[Ours]:
    """Our reading of files."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(program), "--out", str(folder), *options, "-"]
    done = subprocess.run(command, input="".join(f"{file}\n" for file in files), capture_output=True, text=True, timeout=240, check=False)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != len(files):
        raise RuntimeError(f"{command[0]} ended with {done.returncode} after {len(lines)} of {len(files)} files: {done.stderr[-500:]}")
    found = []
    for number, line in enumerate(lines):
        said = json.loads(line)
        picture = canonical = None
        if said["read"]:
            picture = np.fromfile(folder / f"{number}.picture", "<f4").reshape(said["height"], said["width"])
            canonical = np.fromfile(folder / f"{number}.canonical", "<f4").reshape(256, 256)
        found.append(Ours(said, picture, canonical))
    return found


def verdict(ours: Ours, expect: Expect) -> str | None:
    """What is wrong with a verdict; none if it is as expected."""
    matches = lambda pattern, text: re.search(pattern, text, re.IGNORECASE)
    if not ours.read:
        if expect.verdict == "read":
            return f"wanted: read; {ours.reason}"
        missing = [word for word in expect.words if not matches(word, ours.reason)]
        return f"the refusal does not say {missing}: {ours.reason}" if missing else None
    if expect.verdict == "refused":
        return f"wanted: refused for {', '.join(expect.words)}; read with warnings {ours.warnings}"
    wanted = () if expect.verdict == "either" else expect.words or (("",) if expect.verdict == "answered" else ())
    missing = [word for word in wanted if not any(matches(word, text) for text in ours.warnings)]
    if missing:
        return f"no warning of {missing}; warnings {ours.warnings}"
    spare = [text for text in ours.warnings if not any(matches(word, text) for word in (*wanted, *expect.may))]
    return f"unexpected warnings {spare}" if spare else None


def kept(ours: Ours, turn: Turn | None) -> tuple[slice, slice]:
    """The part of the upright picture that ours shows, which leaves out borders: rows and columns."""
    report = ours.said["report"]
    crop = report["geometry"]["crop"]
    filed = np.zeros((report["height"], report["width"]), bool)
    filed[crop["top"] : crop["top"] + crop["height"], crop["left"] : crop["left"] + crop["width"]] = True
    upright = turn(filed) if turn else filed
    rows, columns = np.flatnonzero(upright.any(axis=1)), np.flatnonzero(upright.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def difference(ours: Array, other: Array, inside: Array | None) -> float:
    """The largest difference; infinite for pictures of two sizes."""
    if ours.shape != other.shape:
        return float("inf")
    found = np.abs(ours.astype(float) - np.clip(other, 0, 1))
    return float(found[inside].max() if inside is not None else found.max())


def affine(ours: Array, other: Array, inside: Array | None) -> float:
    """The largest difference after the best brightness and contrast, over pixels of ours that are neither black nor white; infinite where
    too little contrast or too few such pixels are left, or the picture is a negative."""
    if ours.shape != other.shape:
        return float("inf")
    grey, wanted = (ours, other) if inside is None else (ours[inside], other[inside])
    grey, wanted = grey.astype(float).ravel(), wanted.astype(float).ravel()
    between = (grey > 1e-3) & (grey < 1 - 1e-3)
    low, high = np.percentile(grey, [1, 99])
    if between.mean() < UNCLIPPED or high - low < SPREAD:
        return float("inf")
    slope, offset = np.polyfit(wanted[between], grey[between], 1)
    if slope <= 0:
        return float("inf")
    return float(np.abs(slope * wanted[between] + offset - grey[between]).max())
