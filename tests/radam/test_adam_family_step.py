"""One step: what it is given (layouts, missing, sparse, complex, NaN) and what it must not take."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from radam import AMSGrad, RAdam, RAdam4Step, make_optimizer
from tests.radam.stepping import ADAM_FAMILY, generic_steps

PATHS = [{}, {"fused": True}, {"foreach": True}, {"foreach": False}, {"capturable": True}]


def parameters(count: int = 3, **kind) -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(3, 4, **kind)) for _ in range(count)]


def test_a_closure_is_evaluated_with_gradients():
    (p,) = parameters(1)
    optimizer = RAdam([p], 0.1)

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    first, second = optimizer.step(closure), optimizer.step(closure)
    assert second < first
    assert first.requires_grad
    assert optimizer.step() is None


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_rate_is_a_number(path, shape):
    ours, reference = parameters(1), parameters(1)
    rate = torch.full(shape, 0.5, dtype=torch.float64)
    a, b = RAdam(ours, rate, weight_decay=0.1, **path), RAdam(reference, 0.5, weight_decay=0.1)
    for t in range(8):
        rate.fill_(0.5 / (t + 1))
        b.param_groups[0]["lr"] = 0.5 / (t + 1)
        for p, q in zip(ours, reference, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("name", ADAM_FAMILY)
def test_missing_gradients_leave_a_parameter_alone(name, path):
    """Each parameter counts its own updates, whatever the others do."""
    params = parameters(dtype=torch.float64)
    starts = [p.detach().clone() for p in params]
    options = {"freeze_updates": 2} if name == "adam_2k" else {}
    optimizer = make_optimizer(name, params, lr=0.1, weight_decay=0.0, **options, **path)
    given = [[], [], []]
    for t in range(12):
        for number, p in enumerate(params):
            present = t % (number + 1) == 0
            p.grad = torch.randn_like(p) if present else None
            if present:
                given[number].append(p.grad.clone())
        optimizer.step()
    assert [float(optimizer.state[p]["step"]) for p in params] == [12, 6, 4]
    for p, start, grads in zip(params, starts, given, strict=True):
        *_, expected = generic_steps(name, start, grads, 0.1, **options)
        torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=1e-13)


def test_no_gradient_at_all():
    params = parameters()
    optimizer = RAdam(params)
    optimizer.step()
    assert not optimizer.state


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_sparse_gradients_are_refused(path):
    table = torch.nn.Embedding(5, 2, sparse=True)
    optimizer = RAdam(table.parameters(), **path)
    before = table.weight.detach().clone()
    table(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match=r"a gradient is sparse .* sparse=False"):
        optimizer.step()
    assert torch.equal(before, table.weight)


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_parameters_are_pairs_of_reals(path, dtype):
    (p,) = parameters(1, dtype=dtype)
    pair = torch.nn.Parameter(torch.view_as_real(p.detach()).clone())
    a, b = RAdam([p], 0.1, weight_decay=0.1, **path), RAdam([pair], 0.1, weight_decay=0.1)
    for _ in range(8):
        g = torch.randn_like(p)
        p.grad, pair.grad = g.conj(), torch.view_as_real(g.conj().resolve_conj())
        a.step()
        b.step()
    torch.testing.assert_close(torch.view_as_real(p.detach()), pair.detach())
    assert a.state[p]["exp_avg"].dtype == dtype


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_gradient_spoils_what_it_spoils_in_torch_and_no_more(path, bad):
    ours, theirs = parameters(2), parameters(2)
    a = RAdam(ours, 0.1, variant="torch", **path)
    b = torch.optim.RAdam(theirs, 0.1)
    for t in range(10):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            if t == 7 and p is ours[0]:
                p.grad[0, 1] = bad
            q.grad = p.grad.clone()
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        for name in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(a.state[p][name].isfinite(), b.state[q][name].isfinite())
        assert torch.equal(p.isfinite(), q.isfinite())
    assert ours[1].isfinite().all()
    assert (~ours[0].isfinite()).sum() == 1


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_frozen_moments_stay_clean_of_a_bad_gradient(path):
    (p,) = parameters(1)
    optimizer = make_optimizer("adam_2k", [p], lr=0.1, freeze_updates=3, **path)
    p.grad = torch.full_like(p, float("inf"))
    optimizer.step()
    assert p.isfinite().all()
    assert (optimizer.state[p]["exp_avg"] == 0).all()


LAYOUTS = {
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "with gaps": lambda x: torch.cat([x, x], dim=-1)[..., : x.shape[-1]],
}


@pytest.mark.parametrize("path", [{}, {"foreach": True}, {"foreach": False}, {"capturable": True}])
@pytest.mark.parametrize("of_parameter", LAYOUTS)
@pytest.mark.parametrize("of_gradient", ["contiguous", *LAYOUTS])
def test_any_layout_in_memory(of_parameter, of_gradient, path):
    """torch's fused kernel reads memory as it lies, and would mix up elements of two layouts."""
    torch.manual_seed(0)
    start = torch.randn(2, 3, 4, 5)
    p = torch.nn.Parameter(LAYOUTS[of_parameter](start))
    reference = torch.nn.Parameter(start.clone())
    a, b = RAdam([p], 0.1, **path), RAdam([reference], 0.1, foreach=True)
    for _ in range(7):
        g = torch.randn(2, 3, 4, 5)
        p.grad = LAYOUTS.get(of_gradient, torch.Tensor.contiguous)(g)
        reference.grad = g
        a.step()
        b.step()
    torch.testing.assert_close(p, reference)


def test_a_state_of_another_layout_is_laid_out_anew():
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(2, 3, 4, 5))
    optimizer = RAdam([p], 0.1)
    p.grad = torch.randn_like(p)
    optimizer.step()
    p.data = p.data.contiguous(memory_format=torch.channels_last)
    moment = optimizer.state[p]["exp_avg"].clone()
    p.grad = torch.zeros_like(p)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[p]["exp_avg"], 0.9 * moment)


def test_fused_is_refused_where_there_is_no_kernel():
    p = torch.nn.Parameter(torch.randn(4, 6)[:, :3])
    p.grad = torch.randn(4, 3)
    with pytest.raises(RuntimeError, match="fused=True, but there is no fused kernel"):
        RAdam([p], fused=True).step()


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ({}, "aten::_fused_adamw_"),
        ({"fused": True, "foreach": False}, "aten::_fused_adamw_"),
        ({"foreach": True}, "aten::_foreach_addcdiv_"),
        ({"fused": False}, "aten::_foreach_addcdiv_"),
        ({"foreach": False}, "aten::addcdiv_"),
        ({"capturable": True}, "aten::_fused_adam_"),
    ],
    ids=str,
)
def test_the_implementation_is_the_one_asked_for(path, operation):
    params = parameters()
    optimizer = RAdam(params, **path)
    with profile(activities=[ProfilerActivity.CPU]) as record:
        for _ in range(6):
            for p in params:
                p.grad = torch.ones_like(p)
            optimizer.step()
    told_apart = {
        "aten::_fused_adamw_",
        "aten::_fused_adam_",
        "aten::_foreach_addcdiv_",
        "aten::addcdiv_",
    }
    # Foreach goes through the plain operation on a CPU.
    seen = {event.key for event in record.key_averages()} & told_apart
    assert operation in seen
    assert seen <= {operation, "aten::addcdiv_"}


def test_a_parameter_of_another_size_is_refused():
    """torch's kernels would write beyond its state."""
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = RAdam([p])
    for size in (2, 2, 3):
        p.data = torch.ones(size)
        p.grad = torch.ones(size)
        if size == 3:
            with pytest.raises(RuntimeError, match=r"exp_avg has shape \(2,\), but its parameter"):
                optimizer.step()
        else:
            optimizer.step()


def test_an_update_that_cannot_be_captured_is_refused():
    (p,) = parameters(1)
    optimizer = RAdam4Step([p], first_updates="sgd_then_adam", capturable=True)
    p.grad = torch.ones_like(p)
    with pytest.raises(RuntimeError, match="cannot be capturable"):
        optimizer.step()


def largest_allocation(optimizer) -> int:
    """Bytes of the largest piece of memory that one step asks for."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        optimizer.step()
    return max(event.self_cpu_memory_usage for event in record.events())


@pytest.mark.parametrize("name", ADAM_FAMILY)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_fused_step_takes_no_memory_the_size_of_a_parameter(name, weight_decay):
    p = torch.nn.Parameter(torch.randn(1000, 100))
    p.grad = torch.randn_like(p)
    options = {"freeze_updates": 3} if name == "adam_2k" else {}
    optimizer = make_optimizer(name, [p], lr=0.1, weight_decay=weight_decay, **options)
    optimizer.step()  # The state is made here.
    for _ in range(8):
        assert largest_allocation(optimizer) < 1000
    # The measure sees what it is meant to see.
    assert largest_allocation(RAdam([p], variant="torch", foreach=True, maximize=True)) >= 400_000


def test_equal_values_for_equal_seeds_whatever_the_grouping():
    """A parameter's update does not depend on which others it is batched with."""
    together, apart = parameters(), parameters()
    a = AMSGrad(together, 0.1)
    b = AMSGrad([{"params": [p]} for p in apart], 0.1)
    for _ in range(6):
        for p, q in zip(together, apart, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    for p, q in zip(together, apart, strict=True):
        assert torch.equal(p, q)
