"""State: where it comes from, where it can go, and that nothing is lost on the way."""

import copy
import io
import pickle

import pytest
import torch

from radam import Adam, Adam2k, AdamW, AMSGrad, RAdam, make_optimizer
from tests.radam.stepping import ADAM_FAMILY


def model(dtype=torch.float32) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).to(
        dtype
    )


def train(net, optimizer, first, last):
    """Make updates ``first`` to ``last``, each on its own batch."""
    dtype = next(net.parameters()).dtype
    for t in range(first, last + 1):
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(t)).to(dtype)
        optimizer.zero_grad()
        net(x).float().square().mean().backward()
        optimizer.step()


def values(net) -> list[torch.Tensor]:
    return [p.detach().clone() for p in net.parameters()]


def saved_and_loaded(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("name", ADAM_FAMILY)
@pytest.mark.parametrize("made", [0, 1, 3, 7])
def test_resuming_is_bit_identical(name, made):
    options = {"lr": 0.05, "weight_decay": 0.01}
    if name == "adam_2k":
        options["freeze_updates"] = 5
    whole = model()
    train(whole, make_optimizer(name, whole.parameters(), **options), 1, 12)

    first = model()
    optimizer = make_optimizer(name, first.parameters(), **options)
    train(first, optimizer, 1, made)
    second = model()
    second.load_state_dict(saved_and_loaded(first.state_dict()))
    resumed = make_optimizer(name, second.parameters(), lr=0.9)
    resumed.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    train(second, resumed, made + 1, 12)
    for p, q in zip(values(whole), values(second), strict=True):
        assert torch.equal(p, q)


def test_the_state_has_torchs_names_and_shapes():
    ours, theirs = model(), model()
    a, b = RAdam(ours.parameters()), torch.optim.RAdam(theirs.parameters())
    train(ours, a, 1, 2)
    train(theirs, b, 1, 2)
    mine, yours = a.state_dict()["state"], b.state_dict()["state"]
    assert mine.keys() == yours.keys()
    for key in mine:
        assert mine[key].keys() == yours[key].keys()
        for name in mine[key]:
            assert mine[key][name].shape == yours[key][name].shape
            assert mine[key][name].dtype == yours[key][name].dtype


def test_every_parameter_gets_a_step_of_its_own_in_the_state_dict():
    net = model()
    optimizer = RAdam(net.parameters())
    train(net, optimizer, 1, 3)
    steps = [state["step"] for state in optimizer.state_dict()["state"].values()]
    assert len({step.data_ptr() for step in steps}) == len(steps)
    assert all(float(step) == 3 for step in steps)


INTO_AND_FROM = [
    (lambda p: Adam(p, 0.01, variant="torch"), lambda p: torch.optim.Adam(p, 0.01)),
    (lambda p: AdamW(p, 0.01, variant="torch"), lambda p: torch.optim.AdamW(p, 0.01)),
    (lambda p: RAdam(p, 0.01, variant="torch"), lambda p: torch.optim.RAdam(p, 0.01)),
    (lambda p: Adam(p, 0.01, variant="torch"), lambda p: torch.optim.Adam(p, 0.01, fused=True)),
    (
        lambda p: AMSGrad(p, 0.01, variant="torch"),
        lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), INTO_AND_FROM)
@pytest.mark.parametrize("direction", ["from torch", "into torch"])
def test_changing_between_torch_and_radam_in_mid_run(ours, theirs, direction):
    """7 updates of one, 7 of the other, are 14 of torch's."""
    whole = model()
    train(whole, theirs(whole.parameters()), 1, 14)
    first, second = (theirs, ours) if direction == "from torch" else (ours, theirs)
    net = model()
    before, after = first(net.parameters()), second(net.parameters())
    train(net, before, 1, 7)
    after.load_state_dict(saved_and_loaded(before.state_dict()))
    train(net, after, 8, 14)
    for p, q in zip(values(whole), values(net), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_a_state_of_another_class_brings_its_numbers_and_leaves_the_update():
    net = model()
    theirs = torch.optim.Adam(net.parameters(), 0.3, (0.8, 0.9), 1e-3, 0.2, maximize=True)
    train(net, theirs, 1, 2)
    ours = RAdam(net.parameters(), variant="package", fused=True)
    ours.load_state_dict(theirs.state_dict())
    group = ours.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (0.3, (0.8, 0.9), 1e-3)
    assert (group["weight_decay"], group["maximize"]) == (0.2, True)
    assert (group["threshold"], group["early"]) == (">=5", "skip")
    assert (group["decoupled_weight_decay"], group["fused"]) == (True, True)


def test_amsgrad_goes_on_from_a_state_of_adam():
    net = model()
    adam = Adam(net.parameters())
    train(net, adam, 1, 3)
    amsgrad = AMSGrad(net.parameters())
    amsgrad.load_state_dict(adam.state_dict())
    train(net, amsgrad, 4, 5)
    for state in amsgrad.state.values():
        assert (state["max_exp_avg_sq"] >= state["exp_avg_sq"]).all()


def test_a_state_of_another_family_is_refused():
    net = model()
    sgd = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    train(net, sgd, 1, 1)
    with pytest.raises(ValueError, match="holds momentum_buffer; the Adam family needs step"):
        RAdam(net.parameters()).load_state_dict(sgd.state_dict())


def test_steps_that_are_plain_numbers_are_taken():
    net = model()
    optimizer = RAdam(net.parameters())
    train(net, optimizer, 1, 3)
    state = optimizer.state_dict()
    for own in state["state"].values():
        own["step"] = 3
    optimizer.load_state_dict(state)
    train(net, optimizer, 4, 4)
    assert all(float(own["step"]) == 4 for own in optimizer.state.values())


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_an_optimizer_survives_copying(how):
    net = model()
    optimizer = RAdam(net.parameters(), 0.05)
    train(net, optimizer, 1, 6)
    if how == "pickle":
        twin, copied = pickle.loads(pickle.dumps((net, optimizer)))
    else:
        twin, copied = copy.deepcopy((net, optimizer))
    train(net, optimizer, 7, 10)
    train(twin, copied, 7, 10)
    for p, q in zip(values(net), values(twin), strict=True):
        assert torch.equal(p, q)


def test_the_state_follows_a_change_of_type_in_place():
    """`module.to()` swaps the data under the same parameters."""
    net = model()
    optimizer = RAdam(net.parameters(), 0.05)
    train(net, optimizer, 1, 6)
    net.double()
    train(net, optimizer, 7, 8)
    for p in net.parameters():
        assert optimizer.state[p]["exp_avg"].dtype == torch.float64
    net.float()
    train(net, optimizer, 9, 9)
    assert optimizer.state[net[0].weight]["exp_avg"].dtype == torch.float32


def test_a_state_loads_into_another_type():
    net = model()
    optimizer = RAdam(net.parameters(), 0.05)
    train(net, optimizer, 1, 6)
    wide = model(torch.float64)
    loaded = RAdam(wide.parameters())
    loaded.load_state_dict(optimizer.state_dict())
    train(wide, loaded, 7, 8)
    for p, q in zip(net.parameters(), wide.parameters(), strict=True):
        assert loaded.state[q]["exp_avg"].dtype == torch.float64
        assert float(loaded.state[q]["step"]) == 8
        assert float(optimizer.state[p]["step"]) == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_state_follows_to_another_device_and_back():
    net = model()
    optimizer = RAdam(net.parameters(), 0.05)
    train(net, optimizer, 1, 6)
    net.cuda()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all(optimizer.state[p]["exp_avg"].is_cuda for p in net.parameters())
    net.cpu()
    train(net, optimizer, 8, 9)
    assert not optimizer.state[net[0].weight]["exp_avg"].is_cuda


@pytest.mark.parametrize("path", [{}, {"foreach": True}, {"foreach": False}, {"capturable": True}])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_float32_state_of_half_precision_parameters(dtype, path):
    """The averages lose nothing, and survive saving; in bfloat16 they would be rounded."""
    net = model(dtype)
    optimizer = RAdam(net.parameters(), 0.01, state_dtype=torch.float32, **path)
    train(net, optimizer, 1, 8)
    for p in net.parameters():
        assert p.dtype == dtype
        state = optimizer.state[p]
        assert state["exp_avg"].dtype == state["exp_avg_sq"].dtype == torch.float32
    twin = model(dtype)
    twin.load_state_dict(net.state_dict())
    loaded = RAdam(twin.parameters(), 0.01, state_dtype=torch.float32, **path)
    loaded.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(optimizer.state[p]["exp_avg_sq"], loaded.state[q]["exp_avg_sq"])
    train(net, optimizer, 9, 10)
    train(twin, loaded, 9, 10)
    for p, q in zip(values(net), values(twin), strict=True):
        assert torch.equal(p, q)


def test_float32_state_is_float32_arithmetic():
    half = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    full = torch.nn.Parameter(torch.ones(3))
    a = RAdam([half], 1e-3, state_dtype=torch.float32)
    b = RAdam([full], 1e-3)
    for t in range(20):
        half.grad = torch.full((3,), 0.1 * t, dtype=torch.bfloat16)
        full.grad = half.grad.float()
        a.step()
        b.step()
    torch.testing.assert_close(a.state[half]["exp_avg_sq"], b.state[full]["exp_avg_sq"])


def test_groups_keep_their_settings_and_can_be_added():
    torch.manual_seed(0)
    a, b, c = (torch.nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(3))
    optimizer = RAdam([{"params": [a]}, {"params": [b], "lr": 0.0}], 0.1)
    for p in (a, b, c):
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert (a < 1).all()
    assert torch.equal(b, torch.ones_like(b))
    optimizer.add_param_group({"params": [c], "variant": "package", "betas": (0.5, 0.9)})
    assert optimizer.param_groups[2]["early"] == "skip"
    optimizer.step()
    assert torch.equal(c, torch.ones_like(c))
    assert [float(optimizer.state[p]["step"]) for p in (a, b, c)] == [2, 2, 1]
    with pytest.raises(ValueError, match=r"betas is 0\.9"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "betas": 0.9})


def test_named_parameters_keep_their_names():
    net = model()
    optimizer = Adam2k(net.named_parameters())
    assert optimizer.state_dict()["param_groups"][0]["param_names"][0] == "0.weight"
    train(net, optimizer, 1, 1)


def test_state_replaced_by_hand_is_used():
    """As those do who prune or grow parameters in mid-run."""
    p = torch.nn.Parameter(torch.ones(4))
    optimizer = RAdam([p], 0.1)
    for _ in range(6):
        p.grad = torch.ones(4)
        optimizer.step()
    kept = optimizer.state.pop(p)
    kept["exp_avg"], kept["exp_avg_sq"] = (
        kept["exp_avg"][:2].clone(),
        kept["exp_avg_sq"][:2].clone(),
    )
    smaller = torch.nn.Parameter(p.detach()[:2].clone())
    optimizer.param_groups[0]["params"][0] = smaller
    optimizer.state[smaller] = kept
    smaller.grad = torch.ones(2)
    optimizer.step()
    assert float(optimizer.state[smaller]["step"]) == 7
    optimizer.state.clear()
    optimizer.step()
    assert float(optimizer.state[smaller]["step"]) == 1
