"""One of two gloo processes: train sharded or replicated, and compare with a single process.

Run by test_optimizers_ecosystem.py under torchrun; the argument is ddp, fsdp, fsdp1 or placements.
"""

import itertools
import sys
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import (
    DTensor,
    Partial,
    Placement,
    Replicate,
    Shard,
    distribute_tensor,
)
from torch.nn.parallel import DistributedDataParallel

from radam import RAdam

UPDATES = 9


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()


def batch(t: int) -> torch.Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(t), dtype=torch.float64)


def train(net: nn.Module, optimizer: torch.optim.Optimizer, first: int, part: slice) -> None:
    for t in range(first, UPDATES):
        optimizer.zero_grad()
        net(batch(t)[part]).square().mean().backward()
        optimizer.step()


def optimizer_of(net: nn.Module) -> RAdam:
    return RAdam(net.parameters(), 0.05, weight_decay=0.1)


def wrap(how: str, net: nn.Module) -> nn.Module:
    if how == "ddp":
        return DistributedDataParallel(net)
    if how == "fsdp1":
        return FullyShardedDataParallel(net, use_orig_params=True, device_id=torch.device("cpu"))
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in net.children():
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(net, mesh=mesh)  # in place
    return net


def whole(how: str, net: nn.Module) -> list[torch.Tensor]:
    """The full parameters, in order."""
    if how == "fsdp1":
        with FullyShardedDataParallel.summon_full_params(net):
            return [p.detach().clone() for p in net.parameters()]
    full = [p.full_tensor() if hasattr(p, "full_tensor") else p for p in net.parameters()]
    return [p.detach().clone() for p in full]


PATHS: list[dict[str, Any]] = [
    *({}, {"foreach": True}, {"foreach": False}, {"capturable": True}),
    {"state_dtype": torch.float64},
]


def follow_one_process(of_p: Placement, of_g: Placement, path: dict[str, Any]) -> None:
    """A gradient may be spread otherwise than its parameter: a partial sum of a replicated one."""
    mesh, generator = init_device_mesh("cpu", (2,)), torch.Generator().manual_seed(0)
    q = nn.Parameter(torch.randn(4, 6, generator=generator))
    p: Any = nn.Parameter(distribute_tensor(q.detach().clone(), mesh, [of_p]))
    spread, whole = RAdam([p], 0.05, **path), RAdam([q], 0.05)
    for _ in range(UPDATES):
        q.grad = torch.randn(4, 6, generator=generator)
        if isinstance(of_g, Partial):
            share = 0.25 + 0.5 * dist.get_rank()
            p.grad = DTensor.from_local(q.grad * share, mesh, [of_g])
        else:
            p.grad = distribute_tensor(q.grad, mesh, [of_g])
        spread.step()
        whole.step()
    torch.testing.assert_close(p.full_tensor(), q.detach(), rtol=1e-5, atol=1e-6)


def placements() -> None:
    dist.init_process_group("gloo")
    of_p = [Replicate(), Shard(0), Shard(1)]
    for case in itertools.product(of_p, [*of_p, Partial()], PATHS):
        follow_one_process(*case)
    print("as one process")
    dist.destroy_process_group()


def main(how: str) -> None:
    dist.init_process_group("gloo")
    rank, half = dist.get_rank(), 8 // dist.get_world_size()
    own = slice(rank * half, (rank + 1) * half)

    single = model()
    train(single, optimizer_of(single), 0, slice(None))

    net = wrap(how, model())
    train(net, optimizer := optimizer_of(net), 0, own)
    for p, q in zip(single.parameters(), whole(how, net), strict=True):
        torch.testing.assert_close(p.detach(), q, rtol=1e-9, atol=1e-11)

    # The state comes out whole, with torch's names, and goes into a fresh optimizer.
    options = StateDictOptions(full_state_dict=True)
    state = get_optimizer_state_dict(net, optimizer, options=options)
    net.zero_grad()  # With gradients about, torch would not prepare the state for loading.
    fresh = optimizer_of(net)
    set_optimizer_state_dict(net, fresh, state, options=options)
    for p in net.parameters():
        if p in optimizer.state:
            assert float(fresh.state[p]["step"]) == UPDATES
            for name in ("exp_avg", "exp_avg_sq"):
                one, other = optimizer.state[p][name], fresh.state[p][name]
                assert torch.equal(
                    getattr(one, "_local_tensor", one), getattr(other, "_local_tensor", other)
                )
    print("as one process")
    dist.destroy_process_group()


placements() if sys.argv[1] == "placements" else main(sys.argv[1])
