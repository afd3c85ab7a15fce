"""One update of a batch of parameters, given its numbers: fused, foreach or plain.

The three do the same arithmetic; they differ in how often the tensors travel through memory.
"""

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

NO_EPS = 1e-37
"""In place of an absent ε, so that 0/0 is 0 (float32 still holds it)."""


@dataclass(frozen=True, slots=True)
class Update:
    """The numbers of one update of the Adam family.

    With m̂ = m/(1−β1^t) and l = sqrt(1−β2^t)/(sqrt(v)+ε), or ε after the bias correction:
    θ ← θ − α(λθ + adaptive·m̂·l + momentum·m̂ + gradient·g), where α is ``lr`` and λ
    ``weight_decay``. If no weight is set θ rests, decay included. m learns from the gradient where
    ``learning1``, v where ``learning2``.
    """

    t: int
    lr: float
    betas: tuple[float, float]
    eps: float
    eps_after: bool
    weight_decay: float
    decoupled: bool
    maximize: bool
    adaptive: float
    momentum: float
    learning1: bool
    learning2: bool = True
    gradient: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether θ does."""
        return bool(self.adaptive or self.momentum or self.gradient)

    @property
    def correction1(self) -> float:
        """1 − β1^t."""
        return float(1 - self.betas[0] ** self.t)

    @property
    def correction2(self) -> float:
        """sqrt(1 − β2^t)."""
        return float((1 - self.betas[1] ** self.t) ** 0.5)

    @property
    def denominator(self) -> tuple[float, float, float]:
        """(scale, ε, rate) such that the adaptive step is rate·m / (sqrt(v)/scale + ε)."""
        rate = self.lr * self.adaptive / self.correction1
        if self.eps_after:
            return self.correction2, self.eps, rate
        return 1.0, self.eps, rate * self.correction2


@dataclass(slots=True)
class Batch:
    """Parameters that are updated together, with their gradients and their state."""

    params: list[Tensor]
    grads: list[Tensor]
    exp_avgs: list[Tensor]
    exp_avg_sqs: list[Tensor]
    max_exp_avg_sqs: list[Tensor] = field(default_factory=list)

    @property
    def lists(self) -> tuple[list[Tensor], ...]:
        """The five lists, in the order of the fields."""
        return (
            self.params,
            self.grads,
            self.exp_avgs,
            self.exp_avg_sqs,
            self.max_exp_avg_sqs,
        )

    def parts(self, limit: int) -> Iterator["Batch"]:
        """Yield it in pieces of at most ``limit`` elements, or of one parameter."""
        start, size = 0, 0
        for number, p in enumerate(self.params):
            if number > start and size + p.numel() > limit:
                yield Batch(*(tensors[start:number] for tensors in self.lists))
                start, size = number, 0
            size += p.numel()
        yield Batch(*(tensors[start:] for tensors in self.lists))


SMALL = 2**16
"""A batch of CPU tensors of no more elements than this is updated by one thread.

torch's fused CPU kernel starts all its threads for every tensor. For small ones that gains little
(ResNet-20 on 2 idle cores: 0.10 ms a step instead of 0.11), and on a busy machine each start waits
for a thread that has no core, which was measured at up to a millisecond a tensor.
"""


def fused(batch: Batch, update: Update) -> None:
    """One pass over parameters, gradients and state through torch's fused kernel.

    The kernel steps by lr·m̂/(sqrt(v)/sqrt(1−β2^t) + ε) after the decay by lr·λ. So lr carries
    r_t and the decay is divided by it; ε before the bias correction is ε/sqrt(1−β2^t) after it.
    Updates without an adaptive step (the first few, Adam-2k's freeze) go through `foreach`, in
    float32 where the parameters are of half precision, as the kernel computes.
    """
    if not update.adaptive:
        half = batch.params[0].dtype in HALF
        return widened(batch, update, torch.float32, foreach) if half else foreach(batch, update)
    threads, limit = torch.get_num_threads(), _limit_threads()
    small = batch.params[0].is_cpu and max(map(Tensor.numel, batch.params)) <= SMALL
    if threads == 1 or limit is None or not small:
        return _fused_kernel(batch, update)
    limit(1)
    try:
        _fused_kernel(batch, update)
    finally:
        limit(threads)


@functools.cache
def _limit_threads() -> Callable[[int], object] | None:
    """Return what sets the number of threads for the calling thread alone, or None.

    (`torch.set_num_threads` sets it for every thread that starts from then on, too.)
    """
    try:
        return ctypes.PyDLL(torch._C.__file__).omp_set_num_threads
    except (AttributeError, OSError):  # a torch that is built without OpenMP
        return None


def _fused_kernel(batch: Batch, update: Update) -> None:
    kernel = torch._fused_adamw_ if update.decoupled else torch._fused_adam_
    step = torch.full((), update.t, dtype=torch.float32, device=batch.params[0].device)
    decay = update.weight_decay
    kernel(
        batch.params,
        batch.grads,
        batch.exp_avgs,
        batch.exp_avg_sqs,
        batch.max_exp_avg_sqs,
        [step] * len(batch.params),
        lr=update.lr * update.adaptive,
        beta1=update.betas[0],
        beta2=update.betas[1],
        weight_decay=decay / update.adaptive if update.decoupled else decay,
        eps=update.eps if update.eps_after else update.eps / update.correction2,
        amsgrad=bool(batch.max_exp_avg_sqs),
        maximize=update.maximize,
    )


def foreach(batch: Batch, update: Update) -> None:
    """A few kernels over the whole batch; temporaries the size of the parameters."""
    params, grads = batch.params, batch.grads
    beta1, beta2 = update.betas
    if update.maximize:
        grads = list(torch._foreach_neg(grads))
    if update.weight_decay and not update.decoupled:
        grads = list(torch._foreach_add(grads, params, alpha=update.weight_decay))
    if update.learning1:
        torch._foreach_lerp_(batch.exp_avgs, grads, 1 - beta1)
    second = batch.max_exp_avg_sqs or batch.exp_avg_sqs
    if update.learning2:
        torch._foreach_mul_(batch.exp_avg_sqs, beta2)
        torch._foreach_addcmul_(batch.exp_avg_sqs, grads, grads, 1 - beta2)
        if second is batch.max_exp_avg_sqs:
            torch._foreach_maximum_(second, batch.exp_avg_sqs)
    if update.weight_decay and update.decoupled and update.moves:
        torch._foreach_mul_(params, 1 - update.lr * update.weight_decay)
    if update.adaptive:
        scale, eps, rate = update.denominator
        denominators = torch._foreach_sqrt(second)
        if scale != 1:
            torch._foreach_div_(denominators, scale)
        torch._foreach_add_(denominators, eps)
        torch._foreach_addcdiv_(params, batch.exp_avgs, denominators, -rate)
    if update.momentum:
        rate = update.lr * update.momentum / update.correction1
        torch._foreach_add_(params, batch.exp_avgs, alpha=-rate)
    if update.gradient:
        torch._foreach_add_(params, grads, alpha=-update.lr * update.gradient)


def plain(batch: Batch, update: Update) -> None:
    """One parameter after the other, for tensors that the other two do not take."""
    beta1, beta2 = update.betas
    maxima: Sequence[Tensor | None] = batch.max_exp_avg_sqs or [None] * len(batch.params)
    for p, g, m, v, v_max in zip(
        batch.params, batch.grads, batch.exp_avgs, batch.exp_avg_sqs, maxima, strict=True
    ):
        grad = -g if update.maximize else g
        if update.weight_decay and not update.decoupled:
            grad = grad.add(p, alpha=update.weight_decay)
        if update.learning1:
            m.lerp_(grad, 1 - beta1)
        second = v if v_max is None else v_max
        if update.learning2:
            v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            if v_max is not None:
                torch.maximum(v_max, v, out=v_max)
        if update.weight_decay and update.decoupled and update.moves:
            p.mul_(1 - update.lr * update.weight_decay)
        if update.adaptive:
            scale, eps, rate = update.denominator
            p.addcdiv_(m, second.sqrt().div_(scale).add_(eps), value=-rate)
        if update.momentum:
            p.add_(m, alpha=-update.lr * update.momentum / update.correction1)
        if update.gradient:
            p.add_(grad, alpha=-update.lr * update.gradient)


Apply = Callable[[Batch, Update], None]

HALF = {torch.float16, torch.bfloat16}


def computed_in(p: Tensor, average: Tensor) -> torch.dtype:
    """Return the type in which an update of ``p`` is computed: its own or wider, never half."""
    dtype = torch.promote_types(p.dtype, average.dtype)
    return torch.float32 if dtype in HALF else dtype


WIDENED = 2**22
"""So many elements are widened at a time, that the copies take little memory."""


def widened(batch: Batch, update: Update, dtype: torch.dtype, apply: Apply) -> None:
    """Apply an update in ``dtype``: on copies of what is not of it, rounded back once."""
    for part in batch.parts(WIDENED):
        wide = Batch(*([x.to(dtype) for x in tensors] for tensors in part.lists))
        apply(wide, update)
        for tensors, copies in zip(part.lists, wide.lists, strict=True):
            if tensors is part.grads or not tensors or tensors[0].dtype == dtype:
                continue
            if apply is plain:
                for x, copy in zip(tensors, copies, strict=True):
                    x.copy_(copy.to(x.dtype))  # Torch loses signs where it does both at once.
            else:
                torch._foreach_copy_(tensors, copies)
