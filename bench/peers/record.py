"""Measured figures in docs/results/engine.json: a program replaces those that it measured, and the ratios that follow from them.

`bench/src/record.rs` does the same for Veilray's side. Run as a program, this file tests itself.
"""

import datetime
import json
import math
import os
import pathlib

FORMAT = 1


class RecordError(Exception):
    """A file that is no file of figures."""


def read(path):
    """The figures of a file.

    Raises RecordError where it is no JSON, or its "format" is not FORMAT.
    """
    text = pathlib.Path(path).read_text(encoding="utf-8")
    try:
        figures = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"{path} is no file of figures: {error}; restore it from version control") from error
    found = figures.get("format") if isinstance(figures, dict) else None
    if found != FORMAT:
        raise RecordError(f'{path}: "format" is {json.dumps(found)}, this program writes {FORMAT}; name a file of figures')
    return figures


def write(path, figures):
    """Writes the file: after a crash the old content is there or the new one."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def decimals(value, digits):
    """`value` with so many decimals and no zeros behind; 3.0 is an integer."""
    value = round(value, digits)
    return int(value) if value == int(value) else value


def significant(value, digits):
    """`value` with so many significant digits, and never fewer than its whole part has."""
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    return decimals(value, max(0, digits - 1 - exponent))


def engine(path, name, measured):
    """Puts TenSEAL's figures beside the parameter set `name`."""
    figures = read(path)
    of_set = figures.setdefault("sets", {}).setdefault(name, {})
    of_set.update(measured, peer_date=datetime.datetime.now(datetime.timezone.utc).date().isoformat())

    def ratio(dividend, divisor):
        ends = of_set.get(dividend), of_set.get(divisor)
        return None if None in ends else ends[0] / ends[1]

    for operation in ("encode", "multiply", "rotate"):
        found = ratio(f"peer_{operation}_us", f"{operation}_us")
        if found is not None:
            of_set[f"ratio_{operation}"] = significant(found, 2)
    found = ratio("linear_us", "peer_rotate_us")
    if found is not None:
        of_set["linear_per_peer_rotate"] = decimals(found, 2)
    write(path, figures)


def mnist(path, seconds, error):
    """Puts TenSEAL's figures of its tutorial network."""
    figures = read(path)
    found = figures.setdefault("mnist", {})
    found["peer_s"], found["peer_error"] = decimals(seconds, 2), significant(error, 2)
    found["peer_date"] = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    if found.get("ours_ms") is not None:
        found["ratio"] = int(float(f"{1e3 * found['peer_s'] / found['ours_ms']:.1e}"))
    write(path, figures)


def test():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "engine.json"
        write(path, {"format": 1, "sets": {"n14": {"rotate_us": 2101, "z": "4 × 4"}}, "mnist": {"ours_ms": 8.6}})
        engine(path, "n14", {"peer_rotate_us": 24387})
        mnist(path, 3.657, 0.1012)
        found = read(path)
        assert found["sets"]["n14"].pop("peer_date") == found["mnist"].pop("peer_date")
        assert found["sets"]["n14"] == {"rotate_us": 2101, "z": "4 × 4", "peer_rotate_us": 24387, "ratio_rotate": 12}, found
        assert found["mnist"] == {"ours_ms": 8.6, "peer_s": 3.66, "peer_error": 0.1, "ratio": 430}, found
        assert list(pathlib.Path(folder).iterdir()) == [path]
        for text in ("{", "[]", "{}", '{"format": 2}'):
            path.write_text(text, encoding="utf-8")
            try:
                read(path)
            except RecordError:
                continue
            raise AssertionError(text)
    for value, digits, wanted in ((4.33e-4, 2, 0.00043), (9.96, 2, 10), (1234.6, 3, 1235), (13.7, 2, 14)):
        assert significant(value, digits) == wanted, value
    assert math.isclose(decimals(-8.24, 1), -8.2) and isinstance(decimals(3.0, 2), int)


if __name__ == "__main__":
    test()
    print("ok")
