"""Makes films, lets pydicom, dcmtk, Pillow and Veilray read them, and holds the verdicts and pictures against what is right.

    run.py --render PROGRAM --phantom PNG [--folder FOLDER] [--record PAGE] [--check PAGE] [--only WORD]
    run.py --render PROGRAM --generators FOLDER [--folder FOLDER]

PROGRAM is the example `render` of veilray-imaging, PNG a healthy film of its example `phantoms`. Ends with status 1 if anything does not
hold. The second form runs every Python program of a folder, each with the name of a file to write, and prints what becomes of the files.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy as np

import oracles
import page
import shipped
from compare import RASTER, Ours, affine, difference, kept, render, verdict
from films import Array, Kind, chest
from kinds import colour, contrast, raster, statements, structure, syntaxes, values

MODULES = (structure, statements, values, syntaxes, colour, raster, contrast)


@dataclass
class Result:
    """What was found of one kind."""

    kind: Kind
    ours: Ours
    # Largest differences: from the formulas, pydicom or Pillow, dcmtk; a text where there is none.
    differences: dict[str, float | str]
    wrong: list[str]


def upright(kind: Kind, picture: Array) -> Array:
    return kind.turn(picture) if kind.turn else picture


def judge(kind: Kind, ours: Ours, path: pathlib.Path, folder: pathlib.Path, reference: Array) -> Result:
    """Holds one file's reading against what was expected and against other software."""
    found = verdict(ours, kind.expect)
    result = Result(kind, ours, {}, [found] if found else [])
    if ours.picture is None or kind.compare == "none":
        return result
    pictures: dict[str, Array] = {}
    if kind.made is not None:
        pictures["formula"] = kind.made
    for name in ("pydicom", "dcmtk") if kind.suffix == "dcm" else ("Pillow",):
        if name in kind.apart:
            result.differences[name] = kind.apart[name]
            continue
        try:
            picture = other(name, kind, path, folder)
            # Pillow turns as the file says, the others do not.
            pictures[name] = picture if name == "Pillow" else upright(kind, picture)
        except oracles.NotRead:
            result.differences[name] = "does not read it"
    measure = affine if kind.compare == "affine" else difference
    part = kept(ours, kind.turn)
    inside = kind.inside[part] if kind.inside is not None else None
    for name, picture in pictures.items():
        if kind.compare == "canonical":
            if name != "formula":
                continue
            found = float(np.abs(ours.canonical - reference).mean()) / 2
        else:
            found = measure(ours.picture, picture[part], inside)
        result.differences[name] = found
        bar = oracles.dcmtk_bar(oracles.dataset(kind.data), kind.bar) if name == "dcmtk" else kind.bar
        if not found <= bar:
            result.wrong.append(f"{name}: largest difference {found:.3g}, allowed {bar:.3g}")
    if kind.compare != "canonical" and not pictures:
        result.wrong.append("no picture to compare with")
    black = kind.black[part] if kind.black is not None else None
    # A picture of another shape has been found wrong above.
    if black is not None and black.shape == ours.picture.shape and float(ours.picture[black].max(initial=0)) > 0:
        result.wrong.append("pixels that are to be black are not")
    return result


def other(name: str, kind: Kind, path: pathlib.Path, folder: pathlib.Path) -> Array:
    if name == "pydicom":
        return oracles.by_pydicom(kind.data)
    if name == "Pillow":
        return oracles.by_pillow(kind.data)
    return oracles.by_dcmtk(path, folder, oracles.dataset(kind.data))


def all_kinds(film: Array, only: str) -> list[Kind]:
    """Every kind, in order; names are one to one."""
    found = [kind for module in MODULES for kind in module.kinds(film)]
    names = [(kind.group, kind.name) for kind in found]
    if len(set(names)) != len(names):
        raise ValueError(f"kinds of the same name: {sorted({name for name in names if names.count(name) > 1})}")
    return [kind for kind in found if only in f"{kind.group} {kind.name}"]


def run_kinds(program: pathlib.Path, phantom: pathlib.Path, folder: pathlib.Path, only: str) -> list[Result]:
    film = chest(phantom)
    kinds = all_kinds(film, only)
    paths = []
    for number, kind in enumerate(kinds):
        path = folder / f"{number:03}.{kind.suffix}"
        path.write_bytes(kind.data)
        paths.append(path)
    # The canonical image of the film itself, for those that change its size.
    first = folder / "film.dcm"
    first.write_bytes(next(structure.kinds(film)).data)
    (plain,) = render(program, [first], folder / "film")
    ours: dict[int, Ours] = {}
    for suffixes, options in ((("dcm",), ()), (None, ("--assume", RASTER))):
        which = [n for n, kind in enumerate(kinds) if (kind.suffix == "dcm") == (suffixes is not None)]
        if which:
            name = "dicom" if suffixes else "raster"
            ours.update(zip(which, render(program, [paths[n] for n in which], folder / name, *options), strict=True))
    return [judge(kind, ours[n], paths[n], folder, plain.canonical) for n, kind in enumerate(kinds)]


def run_generators(program: pathlib.Path, generators: pathlib.Path, folder: pathlib.Path) -> None:
    """Runs every program of a folder, and prints what becomes of the file that it writes."""
    paths = []
    for script in sorted(generators.glob("*.py")):
        # Some programs choose the format by the ending of the name.
        for suffix in ("dcm", "jpg"):
            path = folder / f"{script.stem}.{suffix}"
            command = [sys.executable, script.name, str(path.resolve())]
            done = subprocess.run(command, cwd=generators, capture_output=True, text=True, timeout=60, check=False)
            if path.is_file() and path.stat().st_size:
                paths.append(path)
                break
        else:
            print(f"{script.name}: wrote no file (exit status {done.returncode})")
    for path, ours in zip(paths, render(program, paths, folder / "ours"), strict=True):
        found = ""
        if ours.picture is not None:
            try:
                found = f"; from pydicom {difference(ours.picture, oracles.by_pydicom(path.read_bytes()), None):.2g}"
            except oracles.NotRead as error:
                found = f"; pydicom: {error}"
        print(f"{path.stem}: {ours.short if ours.read else ours.reason}{found}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("render", "phantom", "folder", "record", "check", "generators"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if not arguments.render or not (arguments.phantom or arguments.generators):
        parser.error("--render and --phantom, or --render and --generators, are wanted")
    folder = arguments.folder or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.generators:
            run_generators(arguments.render, arguments.generators, folder)
            return 0
        results = run_kinds(arguments.render, arguments.phantom, folder, arguments.only)
        files = [] if arguments.only else shipped.run(arguments.render, folder / "shipped")
    finally:
        if not arguments.folder:
            shutil.rmtree(folder)
    wrong = [(f"{result.kind.group}: {result.kind.name}", result.wrong) for result in results if result.wrong]
    wrong += [(f"shipped with pydicom: {file.name}", file.wrong) for file in files if file.wrong]
    for name, reasons in wrong:
        print(f"{name}\n    " + "\n    ".join(reasons))
    if arguments.record:
        arguments.record.write_text(page.text(results, files), encoding="utf-8")
    if arguments.check and page.verdicts(arguments.check.read_text(encoding="utf-8")) != page.verdicts(page.text(results, files)):
        wrong.append((str(arguments.check), []))
        print(f"{arguments.check} states other kinds or verdicts; write it anew with --record")
    print(f"{len(results)} kinds and {len(files)} shipped files; {len(wrong)} do not hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
