"""One of two gloo processes: train sharded or replicated, and compare with a single process.

Run by test_optimizers_ecosystem.py under torchrun; the argument is ddp, fsdp or fsdp1.
"""

import sys

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


main(sys.argv[1])
