"""A count among counts, with its exact interval."""

from dataclasses import dataclass

from scipy.special import betaincinv

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `of`."""

    hits: int
    of: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the 95 % interval of Clopper and Pearson, Biometrika 26 (1934)."""
        k, n, tail = self.hits, self.of, (1 - CONFIDENCE) / 2
        low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
        high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
        return low, high

    def __str__(self) -> str:
        """Return `3 of 220 = 1.4 % [0.3, 3.9]`; without a rate where there is nothing."""
        if not self.of:
            return "none"
        low, high = self.bounds
        rate = f"{self.hits / self.of * 100:.1f} % [{low * 100:.1f}, {high * 100:.1f}]"
        return f"{self.hits} of {self.of} = {rate}"
