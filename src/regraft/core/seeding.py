"""One seed, many independent streams of randomness.

Every random draw in Regraft is a function of the seed and of what it is for, never of
what was drawn before. So adding a term changes no other draw (ablations are paired), and
a resumed run needs no saved generator: it asks for the draws of its step again.
"""

import hashlib


def derive(seed: int, *purpose: object) -> int:
    """A seed for one purpose, in [0, 2^63): equal arguments give equal seeds on every machine."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
