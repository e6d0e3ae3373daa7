"""Exchange of HDF5 files with other software: h5py, h5dump, netCDF4 and PyTables.

    pip install -r interop-requirements.txt
    cargo run --release -p veilray-latents --example interop -- write DIR
    interop.py read DIR     # the files of the example, by all four
    interop.py write DIR    # files by h5py, in its two layouts
    cargo run --release -p veilray-latents --example interop -- read DIR

h5dump comes with the system's HDF5 tools (Debian: hdf5-tools); where it is missing, that is said and the others are checked.
Ends with an error at the first difference.
"""

import pathlib
import shutil
import subprocess
import sys
import warnings

import h5py
import netCDF4
import numpy as np
import tables

ROWS = 70
TEXTS = ["a", "", 'zu tief, "wirklich" ö']
VALUES = np.array([0.7013, np.nan, -1.5e300])
COUNTS = np.array([np.iinfo(np.int64).min, 0, np.iinfo(np.int64).max])


def latents(rows):
    k = np.arange(24 * rows, dtype=np.int64)
    return (((k * 7919 % 10007) - 5000) / 64).astype(np.float32).reshape(rows, 2, 3, 4)


def columns(rows):
    """Text columns of the full file."""
    return {
        "file": [f"images/{i // 2:04}.png" for i in range(rows)],
        "split": [["train", "val", "test"][i % 3] for i in range(rows)],
        "patient_id": [f"patient {i // 7}" for i in range(rows)],
        "extra_0": [["PA", "AP", ""][i % 3] for i in range(rows)],
        "extra_1": [f"{i} yéars" for i in range(rows)],
        "label_names": ["Effusion", "Ödem"],
        "extra_names": ["view", "age"],
    }


def labels(rows):
    return np.array([[i % 2, 255 if i % 5 == 0 else 0] for i in range(rows)], dtype=np.uint8)


def flipped(rows):
    return np.array([i % 2 for i in range(rows)], dtype=np.uint8)


ATTRIBUTES = {
    "format": "veilray-latents",
    "encoder": "encoder-f8",
    "encoder_digest": "5f" * 32,
    "dataset": "phantoms",
    "dataset_digest": "0a" * 32,
    "variant": "3:flip",
}


def texts(data_set):
    return [text.decode() if isinstance(text, bytes) else text for text in data_set[()]]


def read_h5py(folder):
    with h5py.File(folder / "latents.h5") as file:
        for name, value in ATTRIBUTES.items():
            assert file.attrs[name] == value, name
        assert file.attrs["format_version"] == 3 and file.attrs["format_version"].dtype == np.uint32
        assert file.attrs["flips"] == 1 and file.attrs["flips"].dtype == np.uint8
        for name, wanted in columns(ROWS).items():
            assert texts(file[name]) == wanted, name
        assert np.array_equal(file["labels"][()], labels(ROWS)) and file["labels"].dtype == np.uint8
        assert np.array_equal(file["flipped"][()], flipped(ROWS))
        stored = file["latents"]
        assert stored.shuffle and stored.compression == "gzip" and stored.chunks == (64, 2, 3, 4), stored.chunks
        assert np.array_equal(stored[()], latents(ROWS)) and stored.dtype == np.float32
    for name, rows in [("bare.h5", 3), ("empty.h5", 0)]:
        with h5py.File(folder / name) as file:
            assert np.array_equal(file["latents"][()], latents(rows)), name
            assert file["labels"].shape == (rows, 0) and len(texts(file["label_names"])) == 0
            assert texts(file["file"]) == [f"{i}.png" for i in range(rows)]
    with h5py.File(folder / "ledger.h5") as file:
        assert file.attrs["format_version"] == 1 and file.attrs["seconds"] == 1.5
        assert texts(file["reason"]) == TEXTS and texts(file["only_empty_texts"]) == ["", "", ""]
        assert file["no_texts"].shape == (0,) and texts(file["no_texts"]) == []
        assert file["auc"][()].tobytes() == VALUES.tobytes() and file["no_numbers"].shape == (0,)
        assert np.array_equal(file["counts"][()], COUNTS)


def read_h5dump(path):
    if not shutil.which("h5dump"):
        print("h5dump is not installed: not checked")
        return
    done = subprocess.run(["h5dump", path], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    with h5py.File(path) as file:
        for name in file:
            assert f'DATASET "{name}"' in done.stdout, name


def read_netcdf(path):
    with netCDF4.Dataset(path) as file, h5py.File(path) as known:
        assert set(file.variables) == set(known), set(known) ^ set(file.variables)
        file.set_auto_mask(False)
        for name, variable in file.variables.items():
            assert variable.shape == known[name].shape, name
            if 0 in variable.shape:
                continue
            found, wanted = variable[...], known[name][()]
            if variable.dtype is str:
                assert list(found) == [text.decode() for text in wanted], name
            else:
                assert found.tobytes() == wanted.tobytes(), name


def read_pytables(path):
    # PyTables has no type for text of variable length, and says so of every such column: it lists them, with their shape.
    warnings.filterwarnings("ignore", "(?s)problems loading leaf.*variable length strings are not supported")
    with tables.open_file(str(path)) as file, h5py.File(path) as known:
        names = {node._v_name for node in file.root}
        assert names == set(known), names ^ set(known)
        for node in file.root:
            wanted = known[node._v_name]
            if isinstance(node, tables.UnImplemented):
                assert h5py.check_string_dtype(wanted.dtype), node._v_name
                assert tuple(node.shape) == wanted.shape, node._v_name
            else:
                assert node.read().tobytes() == wanted[()].tobytes(), node._v_name


def read(folder):
    read_h5py(folder)
    for path in sorted(folder.glob("*.h5")):
        if not path.name.startswith("h5py"):
            read_h5dump(path)
            read_netcdf(path)
            read_pytables(path)
            print(f"{path.name}: {path.stat().st_size} bytes, read by h5py, h5dump, netCDF4 and PyTables as expected")


def write(folder):
    text = h5py.string_dtype()
    for suffix, options in [("", {}), ("-latest", {"libver": "latest"})]:
        with h5py.File(folder / f"h5py{suffix}.h5", "w", **options) as file:
            for name, value in ATTRIBUTES.items():
                file.attrs[name] = value
            file.attrs["format_version"] = np.uint32(3)
            file.attrs["flips"] = np.uint8(1)
            for name, values in columns(ROWS).items():
                file.create_dataset(name, data=values, dtype=text)
            file["labels"], file["flipped"] = labels(ROWS), flipped(ROWS)
            file.create_dataset(
                "latents", data=latents(ROWS), chunks=(64, 2, 3, 4), maxshape=(None, 2, 3, 4),
                shuffle=True, compression="gzip", compression_opts=1,
            )
        with h5py.File(folder / f"h5py-ledger{suffix}.h5", "w", **options) as file:
            file.create_dataset("reason", data=TEXTS, dtype=text)
            file.create_dataset("fixed", data=[text.encode() for text in TEXTS], dtype=h5py.string_dtype(length=40))
            file.create_dataset("no_texts", shape=(0,), dtype=text)
            file["auc"], file["counts"] = VALUES, COUNTS
    print(f"h5py {h5py.__version__} over HDF5 {h5py.version.hdf5_version} wrote 4 files")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("read", "write"):
        sys.exit(__doc__)
    {"read": read, "write": write}[sys.argv[1]](pathlib.Path(sys.argv[2]))
