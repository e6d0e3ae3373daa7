#!/usr/bin/env python3
"""Times SEAL's CKKS operations through `tenseal.sealapi`, one JSON object a line.

    OMP_NUM_THREADS=1 python tenseal_bench.py LOG_N FIRST_BITS MIDDLE_BITS LEVELS SPECIAL_BITS ROUNDS [--record FILE]

The modulus has one prime of FIRST_BITS, LEVELS primes of MIDDLE_BITS (the scale) and a special prime of SPECIAL_BITS. Times are in
microseconds: median and least wall time of ROUNDS samples, and the median of processor time.
"""

import argparse
import json
import os
import statistics
import tempfile
import time

import numpy as np
import record
import tenseal
import tenseal.sealapi as seal


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("log_n", "first_bits", "middle_bits", "levels", "special_bits", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("--record", help="write the figures into this file too, docs/results/engine.json, beside the set n LOG_N")
    return parser.parse_args()


class Seal:
    """Keys, and two encrypted vectors of uniform numbers in [-1, 1]."""

    def __init__(self, log_n, bits, scale):
        parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
        parameters.set_poly_modulus_degree(1 << log_n)
        parameters.set_coeff_modulus(seal.CoeffModulus.Create(1 << log_n, bits))
        context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
        self.generator = seal.KeyGenerator(context)
        self.public, self.relinearisation = seal.PublicKey(), seal.RelinKeys()
        self.generator.create_public_key(self.public)
        self.generator.create_relin_keys(self.relinearisation)
        self.galois = self.galois_key(3)
        self.encoder, self.evaluator = seal.CKKSEncoder(context), seal.Evaluator(context)
        self.encryptor = seal.Encryptor(context, self.public, self.generator.secret_key())
        self.decryptor = seal.Decryptor(context, self.generator.secret_key())
        self.scale = scale
        numbers = np.random.default_rng(1)
        self.x, self.y = (numbers.uniform(-1, 1, 1 << (log_n - 1)) for _ in range(2))
        self.values = self.x.tolist()
        self.plain_x, self.plain_y, self.plain = seal.Plaintext(), seal.Plaintext(), seal.Plaintext()
        self.encoder.encode(self.values, scale, self.plain_x)
        self.encoder.encode(self.y.tolist(), scale, self.plain_y)
        self.a, self.b, self.product, self.out = (seal.Ciphertext() for _ in range(4))
        self.encryptor.encrypt(self.plain_x, self.a)
        self.encryptor.encrypt(self.plain_y, self.b)

    def galois_key(self, element):
        """One key: the Galois element 3^k rotates by k slots."""
        keys = seal.GaloisKeys()
        self.generator.create_galois_keys([element], keys)
        return keys

    def multiply(self):
        self.evaluator.multiply(self.a, self.b, self.product)
        self.evaluator.relinearize_inplace(self.product, self.relinearisation)
        self.evaluator.rescale_to_next_inplace(self.product)

    def multiply_plain(self):
        self.evaluator.multiply_plain(self.a, self.plain_y, self.out)
        self.evaluator.rescale_to_next_inplace(self.out)

    def error(self):
        """log2 of the largest error of a product that is then rotated by 3."""
        self.multiply()
        self.evaluator.rotate_vector(self.product, 3, self.galois_key(27), self.out)
        self.decryptor.decrypt(self.out, self.plain)
        found = np.array(self.encoder.decode_double(self.plain))
        return float(np.log2(np.abs(found - np.roll(self.x * self.y, -3)).max()))

    def operations(self):
        """Each with how often one sample runs it."""
        evaluator = self.evaluator
        return {
            "encode_incl_list_conv": (lambda: self.encoder.encode(self.values, self.scale, self.plain), 3),
            "encrypt_pk": (lambda: self.encryptor.encrypt(self.plain_x, self.out), 2),
            "decrypt": (lambda: self.decryptor.decrypt(self.a, self.plain), 5),
            "add_inplace": (lambda: evaluator.add_inplace(self.b, self.a), 20),
            "mul_plain": (lambda: evaluator.multiply_plain(self.a, self.plain_y, self.out), 5),
            "mul_plain_rescale": (self.multiply_plain, 2),
            "mul_relin_rescale": (self.multiply, 1),
            "rotate": (lambda: evaluator.rotate_vector(self.a, 1, self.galois, self.out), 1),
        }

    def sizes(self):
        for name, thing in (
            ("public_key", self.public),
            ("relin_key", self.relinearisation),
            ("one_galois_key", self.galois),
            ("fresh_ct", self.a),
        ):
            with tempfile.NamedTemporaryFile() as file:
                thing.save(file.name)
                yield name, os.path.getsize(file.name)


def main():
    args = arguments()
    if args.record:
        record.read(args.record)  # before minutes of measuring
    bits = [args.first_bits] + [args.middle_bits] * args.levels + [args.special_bits]
    common = {
        "lib": "tenseal-sealapi",
        "version": tenseal.__version__,
        "N": 1 << args.log_n,
        "levels": args.levels,
        "logQP": sum(bits),
        "dnum": args.levels + 1,
        "threads": 1,
    }

    def line(**fields):
        print(json.dumps({**common, **fields}), flush=True)

    engine = Seal(args.log_n, bits, 2.0**args.middle_bits)
    error = engine.error()
    line(op="log2_err_mul_rot", median=error)
    for name, size in engine.sizes():
        line(op=f"size_{name}_saved_default_compression", unit="bytes", median=size)

    operations = engine.operations()
    samples = {name: ([], []) for name in operations}
    for operation, _ in operations.values():
        operation()
    # Operations take turns, so that whatever else the machine does slows all alike.
    for _ in range(args.rounds):
        for name, (operation, times) in operations.items():
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(times):
                operation()
            samples[name][0].append((time.perf_counter() - wall) / times * 1e6)
            samples[name][1].append((time.process_time() - processor) / times * 1e6)
    for name, (wall, processor) in samples.items():
        line(
            op=name,
            unit="us",
            median=round(statistics.median(wall), 2),
            min=round(min(wall), 2),
            cpu_median=round(statistics.median(processor), 2),
            samples=len(wall),
        )
    if args.record:
        median = {name: round(statistics.median(wall)) for name, (wall, _) in samples.items()}
        measured = {
            "peer": f"2^{args.log_n}",
            "peer_levels": args.levels,
            "peer_log_qp": sum(bits),
            "peer_log2_error": record.decimals(error, 1),
            "peer_encode_us": median["encode_incl_list_conv"],
            "peer_multiply_us": median["mul_relin_rescale"],
            "peer_rotate_us": median["rotate"],
        }
        record.engine(args.record, f"n{args.log_n}", measured)


if __name__ == "__main__":
    main()
