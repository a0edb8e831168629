"""How precise the products of a kernel are, and what that costs on the chip."""

from typing import NamedTuple

from jax.lax import DotAlgorithmPreset


class Precision(NamedTuple):
    """
    Attributes:
      algorithm: of a product of float32; None: of bfloat16, as the units do it.
      weight_bytes: that a weight takes on the chip.
    """

    algorithm: DotAlgorithmPreset | None
    weight_bytes: int


# Three products of halves: of TF32 about 22 bits, of bfloat16 about 16.
PRECISIONS = {
    "float32": Precision(DotAlgorithmPreset.TF32_TF32_F32_X3, 8),
    "tf32": Precision(DotAlgorithmPreset.TF32_TF32_F32, 4),
    "bfloat16x3": Precision(DotAlgorithmPreset.BF16_BF16_F32_X3, 4),
    "bfloat16": Precision(None, 2),
}
