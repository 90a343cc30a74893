"""Types that the whole package speaks of: arrays, and sentences as a language model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = Any
"""An array of whatever library the device asks for: numpy, CuPy."""
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Shape = tuple[int, ...]

Sentence = Sequence[str]
"""The words of a sentence."""
Sentences = Sequence[Sentence]

Direction = Literal["forward", "backward"]
"""Of reading."""
