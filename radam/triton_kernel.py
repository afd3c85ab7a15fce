"""One update of one parameter in one pass through memory: the kernel of `radam.capturable`."""

# mypy: ignore-errors
# (Triton's language is not typed Python.)

import triton
import triton.language as tl


@triton.jit
def update(
    p_ptr,
    g_ptr,
    m_ptr,
    v_ptr,
    v_max_ptr,
    row_ptr,
    size,
    MAXIMIZE: tl.constexpr,
    AMSGRAD: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Update ``size`` elements; the row holds the numbers of `radam.capturable.numbers`."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    coupled, learn1 = tl.load(row_ptr), tl.load(row_ptr + 1)
    keep2, learn2 = tl.load(row_ptr + 2), tl.load(row_ptr + 3)
    decay, rate, momentum = tl.load(row_ptr + 4), tl.load(row_ptr + 5), tl.load(row_ptr + 6)
    scale, eps = tl.load(row_ptr + 7), tl.load(row_ptr + 8)
    wide = row_ptr.dtype.element_ty
    p = tl.load(p_ptr + at, mask=inside).to(wide)
    g = tl.load(g_ptr + at, mask=inside).to(wide)
    m = tl.load(m_ptr + at, mask=inside).to(wide)
    v = tl.load(v_ptr + at, mask=inside).to(wide)
    if MAXIMIZE:
        g = -g
    g = tl.where(coupled != 0, g + coupled * p, g)
    m = tl.where(learn1 != 0, m + learn1 * (g - m), m)
    v = keep2 * v + learn2 * g * g
    tl.store(m_ptr + at, m.to(m_ptr.dtype.element_ty), mask=inside)
    tl.store(v_ptr + at, v.to(v_ptr.dtype.element_ty), mask=inside)
    if AMSGRAD:
        v_max = tl.load(v_max_ptr + at, mask=inside).to(wide)
        v = tl.maximum(v, v_max, propagate_nan=tl.PropagateNan.ALL)
        tl.store(v_max_ptr + at, v.to(v_max_ptr.dtype.element_ty), mask=inside)
    step = tl.where(rate != 0, rate * m / (tl.sqrt(v) / scale + eps), 0.0)
    step = tl.where(momentum != 0, momentum * m, step)
    tl.store(p_ptr + at, (p * decay - step).to(p_ptr.dtype.element_ty), mask=inside)
