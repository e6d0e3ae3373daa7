#!/usr/bin/env bash
# what: a data set of no strings, written by one call, is refused as corrupt by HDF5 1.14.6 and 2.0.0
# versions: rust-hdf5 0.7.9; h5py 3.16.0 (HDF5 2.0.0), netCDF4 1.7.4 (HDF5 1.14.6)
# a good guess would be: write_vlen_strings(name, &[]) writes an empty data set that HDF5 readers open, as they do for one string
# seen: h5py: "invalid dataset size, likely file corruption", netCDF4: "HDF error"; both read one string written by the same call, and
#       no strings where create_appendable_vlen_dataset made the data set (h5dump of HDF5 1.10.8 opens all three)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p write/src
cat >write/Cargo.toml <<'TOML'
[package]
name = "write"
version = "0.0.0"
edition = "2021"
[dependencies]
rust-hdf5 = "=0.7.9"
[workspace]
TOML
cat >write/src/main.rs <<'RUST'
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let none = rust_hdf5::H5File::create("none.h5")?;
    none.write_vlen_strings("text", &[])?;
    none.close()?;
    let one = rust_hdf5::H5File::create("one.h5")?;
    one.write_vlen_strings("text", &["a"])?;
    one.close()?;
    let appendable = rust_hdf5::H5File::create("appendable.h5")?;
    appendable.create_appendable_vlen_dataset("text", 64, None)?;
    appendable.close()?;
    Ok(())
}
RUST
cargo run --quiet --manifest-path write/Cargo.toml

python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check h5py==3.16.0 netCDF4==1.7.4
cat >read.py <<'PYTHON'
import sys

import h5py
import netCDF4


def with_h5py(file):
    with h5py.File(file) as opened:
        return len(opened["text"][()])


def with_netcdf4(file):
    with netCDF4.Dataset(file) as opened:
        return len(opened["text"][:])


def attempt(reader, file):
    try:
        return f"{reader(file)} elements"
    except (KeyError, OSError) as error:
        return f"refused: {error}"


readers = {f"h5py, HDF5 {h5py.version.hdf5_version}": with_h5py, f"netCDF4, HDF5 {netCDF4.__hdf5libversion__}": with_netcdf4}
as_seen = True
for file, seen in (("one.h5", "1 elements"), ("appendable.h5", "0 elements"), ("none.h5", "refused")):
    for name, reader in readers.items():
        found = attempt(reader, file)
        print(f"{file:14} {name:21} {found}")
        as_seen &= found.startswith(seen)
print("as seen before" if as_seen else "CHANGED")
sys.exit(not as_seen)
PYTHON
python/bin/python read.py
