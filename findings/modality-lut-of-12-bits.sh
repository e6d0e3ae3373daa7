#!/usr/bin/env bash
# what: apply_modality_lut takes no table of 10 or 12 bits
# versions: pydicom 3.0.2, numpy 2.4.6, Python 3.11
# a good guess would be: the third number of the descriptor may be anything up to 16 (PS3.3 C.11.1.1.1), as for other tables
# seen: TypeError about a data type 'uint12'; tables of 8 and 16 bits work
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pydicom==3.0.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

stored = np.arange(64, dtype="u2")


def transformed(bits):
    table = Dataset()
    table.LUTDescriptor = [64, 0, bits]
    table.add_new(0x00283006, "US", [63 - i for i in range(64)])
    table.ModalityLUTType = "US"
    d = Dataset()
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 6, 5, 0
    d.ModalityLUTSequence = [table]
    return apply_modality_lut(stored, d)


assert transformed(16).tolist() == list(range(63, -1, -1))
for bits in (10, 12):
    try:
        transformed(bits)
    except TypeError as error:
        print(f"{bits} bits: TypeError: {error}")
    else:
        raise SystemExit(f"{bits} bits are read now")
PY
