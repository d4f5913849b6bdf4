"""Matrix products whose bits do not depend on the number of rows.

A weight matrix [n, k] is stored in panels: LANES outputs side by side, [n / LANES, k, LANES]. One
vector register then holds LANES outputs of one row. Every output is a sum of chains of BLOCK fused
multiply-adds in the order of k. So a row has the same bits alone, in a batch, and in a prompt. A
weight is read from memory once for all rows.

With numba's own loops the vectoriser would choose the order of sums, with BLAS the batch size.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from picogen_core.compiled.jit import kernel

LANES = 16 if llvm.get_host_cpu_features().get("avx512f", False) else 8
GROUP = 2 * LANES  # outputs are padded to it
FEW = 16  # rows whose inputs all stay in a cache
BLOCK = 128  # of k: short chains round less, and their weights stay in the nearest cache

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


def _tile(rows: int, panels: int) -> Any:
    """Return the kernel of one tile, unrolled over `rows` and `panels`.

    y[yo + r·ys + p·LANES + lane] += Σ_j x[xo + r·xs + j] · w[wo + p·ws + j·LANES + lane]; the sums
    stay in registers while j runs to k ≥ 1.
    """

    @intrinsic
    def tile(typing, w, wo, ws, x, xo, xs, y, yo, ys, k):
        i = types.intp

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            def data(place: int) -> Any:
                array = context.make_array(signature.args[place])
                return array(context, builder, args[place]).data

            _, wo, ws, _, xo, xs, _, yo, ys, k = args
            _emit(builder, rows, panels, data(0), wo, ws, data(3), xo, xs, data(6), yo, ys, k)
            return context.get_dummy_value()

        return types.void(w, i, i, x, i, i, y, i, i, i), codegen

    return tile


def _emit(builder, rows, panels, w, wo, ws, x, xo, xs, y, yo, ys, k):
    """Emit the instructions of one tile; w, x, y are pointers and the rest are index values."""

    builder.function.attributes.add("noinline")  # else each kernel has dozens of copies to compile

    def add(a: Any, b: Any) -> Any:
        return builder.add(a, b if isinstance(b, ir.Value) else ir.Constant(_INDEX, b))

    def times(a: Any, factor: int) -> Any:
        return builder.mul(a, ir.Constant(_INDEX, factor))

    def vector_at(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), _VECTOR.as_pointer())

    def everywhere(scalar: Any) -> Any:
        undefined, first = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(
            builder.insert_element(undefined, scalar, first), undefined, mask
        )

    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    cells = [(r, p) for r in range(rows) for p in range(panels)]
    targets = [vector_at(y, add(add(yo, times(ys, r)), p * LANES)) for r, p in cells]
    w_bases = [add(wo, times(ws, p)) for p in range(panels)]
    x_bases = [add(xo, times(xs, r)) for r in range(rows)]
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    before = builder.block
    loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
    builder.branch(loop)

    builder.position_at_end(loop)
    j = builder.phi(_INDEX)
    sums = [builder.phi(_VECTOR) for _ in cells]
    weights = [builder.load(vector_at(w, add(base, times(j, LANES))), align=4) for base in w_bases]
    inputs = [everywhere(builder.load(builder.gep(x, [add(base, j)]))) for base in x_bases]
    added = [
        builder.call(fma, [inputs[r], weights[p], total])
        for (r, p), total in zip(cells, sums, strict=True)
    ]
    following = add(j, 1)
    phis = [(j, ir.Constant(_INDEX, 0), following)]
    phis += [(total, zero, new) for total, new in zip(sums, added, strict=True)]
    for phi, first, later in phis:
        phi.add_incoming(first, before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, k), loop, done)

    builder.position_at_end(done)
    for target, total in zip(targets, added, strict=True):
        builder.store(builder.fadd(builder.load(target, align=4), total), target, align=4)


_tile_4_4, _tile_2_4, _tile_1_4 = _tile(4, 4), _tile(2, 4), _tile(1, 4)
_tile_4_2, _tile_2_2, _tile_1_2 = _tile(4, 2), _tile(2, 2), _tile(1, 2)


def _block(w, wo, ws, four, k, x, xo, xs, rows, y, yo, ys):
    """Add up to BLOCK inputs of all rows to the outputs of four panels, or of two."""
    r = 0
    if four:
        while r + 4 <= rows:
            _tile_4_4(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)
            r += 4
        if r + 2 <= rows:
            _tile_2_4(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)
            r += 2
        if r < rows:
            _tile_1_4(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)
        return
    while r + 4 <= rows:
        _tile_4_2(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)
        r += 4
    if r + 2 <= rows:
        _tile_2_2(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)
        r += 2
    if r < rows:
        _tile_1_2(w, wo, ws, x, xo + r * xs, xs, y, yo + r * ys, ys, k)


_I = "int64, int64, int64"
_SIGNATURE = f"void(float32[::1], {_I}, int64, float32[::1], {_I}, float32[::1], int64, int64)"
block = kernel(_block, _SIGNATURE)


def _matmul(w, wo, ws, n, k, x, xo, xs, rows, y, yo, ys):
    """Compute y[r] += W x[r] for `rows` rows of flat arrays with offsets xo, yo and strides xs, ys.

    W has offset wo, its panels have stride ws (k · LANES if it is dense). n is rounded up to GROUP:
    both W and y have room for that. k ≥ 1.
    """
    panels = 2 * ((n + GROUP - 1) // GROUP)
    if rows <= FEW:  # each panel is read in one go
        for p in range(0, panels, 4):
            for j in range(0, k, BLOCK):
                wp, yp = wo + p * ws + j * LANES, yo + p * LANES
                length, four = min(BLOCK, k - j), p + 4 <= panels
                block(w, wp, ws, four, length, x, xo + j, xs, rows, y, yp, ys)
        return
    for j in range(0, k, BLOCK):  # this block of the rows stays in the cache
        for p in range(0, panels, 4):
            wp, yp = wo + p * ws + j * LANES, yo + p * LANES
            length, four = min(BLOCK, k - j), p + 4 <= panels
            block(w, wp, ws, four, length, x, xo + j, xs, rows, y, yp, ys)


matmul = kernel(_matmul, _SIGNATURE)


@kernel
def linear(w, wo, bo, n, k, x, xs, rows, y, ys):
    """Compute y[r] = W x[r] + b; to be called from Python."""
    for r in range(rows):
        for i in range(ys):
            y[r * ys + i] = w[bo + i]
    matmul(w, wo, k * LANES, n, k, x, 0, xs, rows, y, 0, ys)
