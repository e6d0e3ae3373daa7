#!/usr/bin/env python3
"""Times the network of TenSEAL's MNIST tutorial on ciphertexts, one JSON object a line.

    OMP_NUM_THREADS=1 python tenseal_mnist.py [--threads 1] [--rounds 7] [--record FILE]

28x28; convolution 7x7 of stride 3 to 4 channels, square, 256 to 64, square, 64 to 10, at N = 8192 and a scale of 26 bits. Weights are
random (times do not depend on them); the result is compared with the network in clear. Times are in seconds.
"""

import argparse
import json
import statistics
import time

import numpy as np
import record
import tenseal


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--record", help="write the figures into this file too, docs/results/engine.json; wants one thread")
    return parser.parse_args()


class Network:
    """Random weights of the distributions that `tenseal_mnist` of veilray-bench has too."""

    def __init__(self):
        numbers = np.random.default_rng(73)
        self.kernels, self.bias = numbers.normal(0, 0.15, (4, 7, 7)), numbers.normal(0, 0.1, 4)
        self.hidden = numbers.normal(0, 0.12, (256, 64))
        # The same for every output: in 0.3.18 adding a list of 64 fills the first 64 slots alone, and the next product reads others.
        self.hidden_bias = 0.05
        self.last, self.last_bias = numbers.normal(0, 0.25, (64, 10)), numbers.normal(0, 0.1, 10)
        self.image = numbers.random((28, 28))

    def clear(self):
        windows = np.lib.stride_tricks.sliding_window_view(self.image, (7, 7))[::3, ::3]
        x = np.einsum("ijkl,ckl->cij", windows, self.kernels) + self.bias[:, None, None]
        x = (x.ravel() ** 2 @ self.hidden + self.hidden_bias) ** 2
        return x @ self.last + self.last_bias

    def prepare(self):
        """The weights as the lists that TenSEAL takes: no part of the inference."""
        self.lists = (self.kernels.tolist(), self.bias.tolist(), self.hidden.tolist(), self.last.tolist(), self.last_bias.tolist())

    def encrypted(self, x, windows):
        kernels, bias, hidden, last, last_bias = self.lists
        y = tenseal.CKKSVector.pack_vectors([x.conv2d_im2col(k, windows) + b for k, b in zip(kernels, bias)])
        y.square_()
        y = y.mm(hidden) + self.hidden_bias
        y.square_()
        return y.mm(last) + last_bias


def main():
    args = arguments()
    if args.record:
        if args.threads != 1:
            raise SystemExit("recorded figures are of one thread: give --threads 1 with --record")
        record.read(args.record)  # before minutes of measuring
    bits = [31] + [26] * 6 + [31]
    common = {
        "lib": "tenseal",
        "version": tenseal.__version__,
        "net": "mnist-conv7x7-sq-fc64-sq-fc10",
        "N": 8192,
        "logQP": sum(bits),
        "threads": args.threads,
    }

    def line(**fields):
        print(json.dumps({**common, **fields}), flush=True)

    network = Network()
    network.prepare()
    start = time.perf_counter()
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=bits, n_threads=args.threads
    )
    context.global_scale = 2**26
    context.generate_galois_keys()
    line(op="keygen_s", median=time.perf_counter() - start)
    line(op="size_public_context_bytes", median=len(context.serialize(save_secret_key=False)))

    encrypt, inference, decrypt, processor = [], [], [], []
    for number in range(args.rounds + 1):
        start = time.perf_counter()
        x, windows = tenseal.im2col_encoding(context, network.image.tolist(), 7, 7, 3)
        encrypted, busy = time.perf_counter(), time.process_time()
        y = network.encrypted(x, windows)
        evaluated, busy = time.perf_counter(), time.process_time() - busy
        logits = np.array(y.decrypt())
        decrypted = time.perf_counter()
        if number == 0:  # warms up
            clear = network.clear()
            line(op="size_input_ct_bytes", median=len(x.serialize()))
            line(op="size_output_ct_bytes", median=len(y.serialize()))
            error = float(np.abs(logits - clear).max())
            line(op="max_abs_err", median=error, ref_max=float(np.abs(clear).max()))
            continue
        encrypt.append(encrypted - start)
        inference.append(evaluated - encrypted)
        decrypt.append(decrypted - evaluated)
        processor.append(busy)
    for name, times in (("encrypt_s", encrypt), ("inference_s", inference), ("decrypt_s", decrypt)):
        line(op=name, median=round(statistics.median(times), 4), min=round(min(times), 4), samples=len(times))
    line(op="inference_cpu_s", median=round(statistics.median(processor), 4))
    if args.record:
        record.mnist(args.record, statistics.median(inference), error)


if __name__ == "__main__":
    main()
