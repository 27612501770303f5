"""Memory of the integrators: one block of numbers, handed to compiled code as addresses.

An address is one machine word where an array is seven, and compiled functions take dozens of them: passing addresses keeps calls
cheap and compilation short. Where single elements are wanted, `vector`, `matrix` and `whole` look at memory as an array. Whoever
makes addresses keeps their owner alive.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from asnsim.ir import BLOCK
from asnsim.machine import native_lanes

__all__ = ["BLOCK", "Layout", "V", "address", "aligned", "matrix", "padded", "vector", "whole", "whole_matrix"]

#: Doubles in a row: one register of this processor.
V = native_lanes()


def padded(n: int) -> int:
    """Length of an array of n numbers in whole rows."""
    return -(-n // V) * V


def aligned(size: int) -> np.ndarray:
    """Zeros whose data begin at a multiple of 64 bytes."""
    raw = np.zeros(size + 8)
    start = (-raw.ctypes.data // 8) % 8
    return raw[start : start + size]


def address(array: np.ndarray) -> int:
    """Address of the data of an array, which the caller keeps alive."""
    return array.__array_interface__["data"][0]


class Layout:
    """Where named arrays stand in one block, each beginning at a multiple of 64 bytes.

    Parameters
    ----------
    **shapes : tuple of int
        Shape of each array; elements of 8 bytes.
    """

    def __init__(self, **shapes: tuple[int, ...]):
        self.shapes, self.places, self.size = shapes, {}, 0
        for name, shape in shapes.items():
            self.places[name] = self.size
            self.size += -(-prod(shape) // 8) * 8

    def addresses(self, block: np.ndarray) -> dict[str, int]:
        """Address of each array in a block made by `aligned`."""
        base = address(block)
        return {name: base + 8 * place for name, place in self.places.items()}

    def array(self, block: np.ndarray, name: str, dtype=np.float64) -> np.ndarray:
        """One array of a block."""
        start, shape = self.places[name], self.shapes[name]
        return block[start : start + prod(shape)].view(dtype).reshape(shape)


def _view(dtype: types.Type, ndim: int):
    """Make the intrinsic that looks at an address as an array of that many lengths."""
    kind = types.Array(dtype, ndim, "C")

    @intrinsic
    def look(typingctx, address, *lengths):
        def codegen(context, builder, signature, args):
            array = make_array(kind)(context, builder)
            shape = [builder.extract_value(args[1], i) for i in range(ndim)]
            strides = [context.get_constant(types.intp, 8)]
            for length in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], length))
            data = builder.inttoptr(args[0], context.get_data_type(dtype).as_pointer())
            populate_array(
                array, data=data, shape=shape, strides=strides, itemsize=context.get_constant(types.intp, 8), meminfo=None
            )
            return array._getvalue()

        return kind(types.int64, types.StarArgTuple(lengths)), codegen

    return look


vector, matrix = _view(types.float64, 1), _view(types.float64, 2)
whole, whole_matrix = _view(types.int64, 1), _view(types.int64, 2)
