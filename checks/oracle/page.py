"""The page of results: what was read and refused, and by how much pictures differ."""

from collections.abc import Iterable
from typing import Any

WIDTH = 120

HEAD = """# DICOM and raster files

Films of every kind are made, and read by Veilray, by pydicom 3.0.2, by dcmtk, by Pillow. This page says what becomes of
each: read, read with a warning, or refused, and by how much the picture differs from the others' at most, as part of
the range from black to white. Pictures are compared upright and at full size, before they are made canonical.

```sh
.ci/tier imaging-oracle             # fails where a verdict or a difference is not as it should be
.ci/tier imaging-oracle --record    # writes this page
```

*formula*: from the grey values that the standard's formulas give (PS3.3 C.11). *a*: apart from brightness and contrast,
which are stretched. *c*: mean difference of the canonical images, for films that are brought to another size. A dash:
the software does not read the file. Brackets: not compared; below the table it says why. What dcmtk renders has 16
bits. Rows stand for several files where they say so.
"""

SHIPPED = """
## Files that pydicom ships

Every file of the packages pydicom 3.0.2 and pydicom-data 1.0.0. *As it is*: the verdict without the checks of size and
contrast; most are no chest films and say so. *Pixels*: those of a copy that states a frontal chest film of CR and no
turn, aspect or shutter, so that they can be compared at all; lossless at most 1e-4 from pydicom, lossy 0.01. Files
without an image, by pydicom too, have no pixels.
"""


def number(value: float | str | None) -> str:
    """A difference in a cell: one digit."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "–" if value == "does not read it" else "( )"
    if value == 0:
        return "0"
    text = f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return text


def verdict(short: str) -> str:
    """A verdict in a cell."""
    what, _, why = short.partition(": ")
    return f"{what.split(',')[0]} ({why})" if why else what


def line(cells: Iterable[str]) -> str:
    """A row of a table."""
    found = "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
    if len(found) > WIDTH:
        raise ValueError(f"a line of {len(found)} columns, at most {WIDTH}: {found}")
    return found


def rows(results: list[Any]) -> list[list[str]]:
    """Rows of one group: results of the same row and verdict are one."""
    merged: dict[tuple[str, str], list[Any]] = {}
    for result in results:
        merged.setdefault((result.kind.row or result.kind.name, verdict(result.ours.short)), []).append(result)
    found = []
    for (name, said), members in merged.items():
        cells = [name if len(members) == 1 else f"{name}: {len(members)} files", said]
        for columns in (("formula",), ("pydicom", "Pillow"), ("dcmtk",)):
            values = [value for member in members for key, value in member.differences.items() if key in columns]
            numbers = [value for value in values if not isinstance(value, str)]
            texts = [value for value in values if isinstance(value, str)]
            mark = {"affine": " a", "canonical": " c"}.get(members[0].kind.compare, "")
            cells.append(number(max(numbers)) + mark if numbers else number(texts[0] if texts else None))
        found.append(cells)
    return found


def notes(results: list[Any]) -> list[str]:
    """What software is left out of a comparison, and why."""
    found: dict[str, list[str]] = {}
    for result in results:
        for name, why in result.kind.apart.items():
            kinds = found.setdefault(f"{name} {why}", [])
            label = result.kind.row or result.kind.name
            if label not in kinds:
                kinds.append(label)
    return [wrapped(f"- {why}: {'; '.join(kinds)}.") for why, kinds in found.items()]


def wrapped(text: str) -> str:
    """A text in lines of the page's width, each but the first behind two blanks."""
    lines, last = [], ""
    for word in text.split(" "):
        if last and len(last) + 1 + len(word) > WIDTH:
            lines.append(last)
            last = f"  {word}"
        else:
            last = f"{last} {word}" if last else word
    return "\n".join([*lines, last])


def text(results: list[Any], files: list[Any]) -> str:
    """The page."""
    parts = [HEAD, *summary(results)]
    for group in dict.fromkeys(result.kind.group for result in results):
        members = [result for result in results if result.kind.group == group]
        parts += [f"\n## {group.capitalize()}\n", line(("kind", "verdict", "formula", "pydicom" if group != "raster" else "Pillow", "dcmtk"))]
        parts += ["|---|---|---|---|---|", *map(line, rows(members))]
        left_out = notes(members)
        if left_out:
            parts += ["\nNot compared:\n", *left_out]
    if files:
        parts += [SHIPPED, line(("file", "as it is", "pixels", "difference")), "|---|---|---|---|"]
        merged: dict[tuple[str, str, str], int] = {}
        for file in files:
            folder, _, name = file.name.rpartition("/")
            many = folder.startswith("dicomdirtests/") and len(name) >= 4
            key = (f"`{folder}/…`" if many else f"`{file.name}`", verdict(file.verdict), file.pixels, number(file.difference))
            merged[key] = merged.get(key, 0) + 1
        parts += [line((name if n == 1 else f"{name}: {n} files", *rest)) for (name, *rest), n in merged.items()]
    return "\n".join(parts) + "\n"


def summary(results: list[Any]) -> list[str]:
    """A table of the groups."""
    found = ["## All\n", line(("group", "files", "read", "read with a warning", "refused", "not as they should be")), "|---|---:|---:|---:|---:|---:|"]
    for group in dict.fromkeys(result.kind.group for result in results):
        members = [result for result in results if result.kind.group == group]
        warned = sum(bool(result.ours.warnings) for result in members)
        is_read = sum(result.ours.read for result in members)
        wrong = sum(bool(result.wrong) for result in members)
        found.append(line((group, *map(str, (len(members), is_read - warned, warned, len(members) - is_read, wrong)))))
    return found


def verdicts(page: str) -> list[tuple[str, ...]]:
    """The kinds and verdicts of a page, without the differences, which vary in their last digits."""
    return [tuple(line.split(" | ")[:2]) for line in page.splitlines() if line.startswith("| ")]
