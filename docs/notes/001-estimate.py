#!/usr/bin/env python3
"""Cost of breaking the parameter sets by lattice reduction: a check by hand, not the lattice estimator.

    python3 docs/notes/001-estimate.py        Python 3.11, standard library only, about one second

The secret is uniform ternary, the error a Gaussian of standard deviation 3.2, samples are unlimited. Reduced bases follow the
geometric series assumption (GSA) with the root Hermite factor of Chen's thesis. Three attacks:

- uSVP: Kannan's embedding on the scaled lattice of Bai and Galbraith (2014); BKZ-b succeeds when the projection of the secret
  vector onto the last b directions is shorter than the first of them (Alkim, Ducas, Poeppelmann, Schwabe 2016, section 6.3).
- BDD: BKZ-b first, then one shortest-vector call in the last eta > b directions.
- dual: short vectors of the scaled dual lattice from one sieve, as many of them as distinguishing needs. No guessing.
"""

import math
import pathlib
import tomllib
from math import ceil, exp, lgamma, log, log2, pi, sqrt

TERNARY = sqrt(2 / 3)
SIGMA = 3.2
MAX_LOG_QP = {12: 106, 13: 214, 14: 430, 15: 868, 16: 1747}  # he/src/params/security.rs


def log_delta(beta):
    """Natural log of the root Hermite factor of BKZ-beta (Chen 2013), for beta >= 50."""
    return log(beta / (2 * pi * math.e) * (pi * beta) ** (1 / beta)) / (2 * (beta - 1))


def core_svp(beta, d):
    """One classical sieve, nothing else counted (Alkim et al. 2016): a lower bound on the attacker's work."""
    return 0.292 * beta


def bdgl16(beta, d):
    """The measured constant of Becker, Ducas, Gama, Laarhoven 2016, and 8d shortest-vector calls per BKZ."""
    return 0.292 * beta + 16.4 + (log2(8 * d) if beta < d else 0)


def matzov(beta, d):
    """Gates, with dimensions for free and progressive sieving; constants of MATZOV 2022, as fitted in the lattice estimator."""
    free = beta * log(4 / 3) / log(beta / (2 * pi * math.e))
    return 2 * log2(5.46) + log2(max(d - beta, 1)) + 0.29613500308205365 * (beta - free) + 20.387885985467914


MODELS = {"core-SVP": core_svp, "BDGL16": bdgl16, "MATZOV": matzov}


class Lwe:
    def __init__(self, n, log2_q, sigma_s=TERNARY, sigma_e=SIGMA, m=math.inf):
        self.n, self.log_q, self.sigma_e, self.m = n, log2_q * log(2), sigma_e, m
        self.xi = max(sigma_e / sigma_s, 1.0)  # the secret's block is scaled to the width of the error

    def best_d(self, beta):
        return int(min(ceil(sqrt(self.n * self.log_q / log_delta(beta))), self.m + self.n))

    def log_vol(self, d):
        """Log volume of the primal lattice of dimension d without the embedding's row."""
        return (d - self.n) * self.log_q + self.n * log(self.xi)

    def usvp_margin(self, beta, d):
        """Positive when BKZ-beta in dimension d finds the secret vector."""
        norm = 0.5 * log(self.sigma_e**2 * beta)
        return log_delta(beta) * (2 * beta - d - 1) + (log(self.sigma_e) + self.log_vol(d - 1)) / d - norm

    def usvp(self):
        """(beta, d): the smallest block size that works, and the smallest dimension that it works in."""
        low, high = 50, 50
        while self.usvp_margin(high, max(self.best_d(high), high + 1)) < 0:
            low, high = high, 2 * high
        while high - low > 1:
            mid = (low + high) // 2
            ok = self.usvp_margin(mid, max(self.best_d(mid), mid + 1)) >= 0
            low, high = (low, mid) if ok else (mid, high)
        a, b = max(self.n + 1, high + 1), max(self.best_d(high), high + 1)
        while b - a > 1:
            mid = (a + b) // 2
            a, b = (a, mid) if self.usvp_margin(high, mid) >= 0 else (mid, b)
        return high, b

    def eta(self, beta, d):
        """Dimension of the last shortest-vector call after BKZ-beta: the smallest block in which the secret is shortest."""
        vol, ld = self.log_vol(d), log_delta(beta)

        def margin(k):
            block = k / d * vol - (d - k) * k * ld
            ball = (k + 1) / 2 * log(pi) - lgamma((k + 1) / 2 + 1)
            return (block + log(self.sigma_e) - ball) / (k + 1) - 0.5 * log(self.sigma_e**2 * (k + 1))

        low, high = 2, d
        if margin(high) < 0:
            return None
        while high - low > 1:
            mid = (low + high) // 2
            low, high = (low, mid) if margin(mid) >= 0 else (mid, high)
        return high

    def bdd(self, model, around):
        """(bits, beta, eta, d), searched below the block size of uSVP."""
        best = (math.inf, 0, 0, 0)
        for beta in range(max(50, int(0.8 * around)), around + 1):
            d = self.best_d(beta)
            eta = self.eta(beta, d)
            if eta:
                bits = add(model(beta, d), model(eta, eta))
                best = min(best, (bits, beta, eta, d))
        return best

    def dual(self, model, around):
        """(bits, beta, d). The sieve yields 2^(0.2075 beta) vectors, each sqrt(4/3) times the length of the shortest."""
        best = (math.inf, 0, 0)
        for beta in range(max(50, int(0.8 * around)), int(1.4 * around)):
            d = self.best_d(beta)
            length = exp(log_delta(beta) * d + (self.n * self.log_q - self.n * log(self.xi)) / d - self.log_q)
            advantage = 2 * pi**2 * (4 / 3) * (length * self.sigma_e) ** 2  # -ln of it
            needed = 2 * advantage / log(2)
            bits = model(beta, d) + max(0.0, needed - 0.2075 * beta)
            best = min(best, (bits, beta, d))
        return best


def add(x, y):
    return max(x, y) + log2(1 + 2 ** -abs(x - y))


def row(name, lwe):
    beta, d = lwe.usvp()
    cells = [f"{name:<24}", f"{beta:>4} {d:>6}"]
    for model in MODELS.values():
        cells.append(f"{model(beta, d):6.1f} {lwe.bdd(model, beta)[0]:6.1f} {lwe.dual(model, beta)[0]:6.1f}")
    print(" | ".join(cells))


def largest_log_q(log_n, model, target=128):
    """Largest whole log2(q) at which uSVP, BDD and plain dual each cost the target."""

    def holds(log2_q):
        lwe = Lwe(2**log_n, log2_q)
        beta, d = lwe.usvp()
        return [model(beta, d) >= target, lwe.bdd(model, beta)[0] >= target, lwe.dual(model, beta)[0] >= target]

    found = []
    for attack in range(3):
        low, high = MAX_LOG_QP[log_n] // 2, MAX_LOG_QP[log_n] * 2
        while high - low > 1:
            mid = (low + high) // 2
            low, high = (mid, high) if holds(mid)[attack] else (low, mid)
        found.append(low)
    return found


def header(title):
    print(f"\n{title}")
    print(f"{'':<24} | {'uSVP':>11} | " + " | ".join(f"{name:^20}" for name in MODELS))
    print(f"{'':<24} | {'beta':>4} {'d':>6} | " + " | ".join([f"{'uSVP':>6} {'BDD':>6} {'dual':>6}"] * len(MODELS)))


def main():
    header("Calibration, bits")
    row("Kyber512", Lwe(512, log2(3329), sqrt(1.5), sqrt(1.5), m=512))
    row("Kyber768", Lwe(768, log2(3329), 1.0, 1.0, m=768))
    row("SEAL22_8192", Lwe(8192, 226, sigma_e=3.19))

    header("The bound of he/src/params/security.rs, bits")
    for log_n, log_qp in MAX_LOG_QP.items():
        row(f"N = 2^{log_n}, {log_qp} bits", Lwe(2**log_n, log_qp))

    header("The named sets of configs/params at the sizes they ask for, bits")
    for path in sorted((pathlib.Path(__file__).parents[2] / "configs" / "params").glob("*.toml")):
        p = tomllib.loads(path.read_text())
        log_qp = (p["base_limbs"] * p["base_bits"] + p["levels"] * p["primes_per_level"] * p["prime_bits"]
                  + p["special_limbs"] * p["special_bits"])
        row(f"{path.stem}: 2^{p['log_n']}, {log_qp:.1f}", Lwe(2 ** p["log_n"], log_qp))

    print("\nLargest log2(QP) at 128 bits by this script, per attack")
    print("        table | BDGL16: uSVP   BDD  dual | MATZOV: uSVP   BDD  dual")
    for log_n, bound in MAX_LOG_QP.items():
        b, m = largest_log_q(log_n, bdgl16), largest_log_q(log_n, matzov)
        print(f"N = 2^{log_n} {bound:>4} |         {b[0]:>4}  {b[1]:>4}  {b[2]:>4} |         {m[0]:>4}  {m[1]:>4}  {m[2]:>4}")


if __name__ == "__main__":
    main()
