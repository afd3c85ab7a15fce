"""Everything that is done to an optimizer between updates, drawn at random.

Classes, variants, types, layouts in memory, views, implementations; then editing, replacing,
forgetting, saving, loading, copying, moving and switching in mid-run. Beside each optimizer stands
Algorithm 1, or torch's own class, to which the same is done.
"""

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from radam import make_optimizer
from tests.radam.algorithm1 import AVERAGES, Algorithm1
from tests.radam.stepping import ADAM_FAMILY

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
COMPLEX = [torch.complex64, torch.complex128]
HALF = {torch.bfloat16, torch.float16}
SHAPES = [(), (3,), (1, 4), (4, 1), (2, 3), (3, 3), (2, 3, 1, 2), (0, 2)]

PATHS: list[dict[str, Any]] = [
    {"foreach": None, "fused": None, "capturable": False},
    {"foreach": True, "fused": None, "capturable": False},
    {"foreach": False, "fused": None, "capturable": False},
    {"foreach": None, "fused": False, "capturable": False},
    {"foreach": None, "fused": None, "capturable": True},
    {"foreach": None, "fused": True, "capturable": False},
]


def transposed(x):
    return x.transpose(0, -1).contiguous().transpose(0, -1) if x.ndim else x


def with_odd_strides(x):
    """A dimension of one element may have any stride."""
    return x.as_strided(
        x.shape, [99 if n == 1 else s for n, s in zip(x.shape, x.stride(), strict=True)]
    )


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def with_an_infinity(x):
    x.view(-1)[:1] = float("inf")
    return x


LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "contiguous": lambda x: x,
    "channels last": channels_last,
    "transposed": transposed,
    "with gaps": lambda x: torch.stack([x, x], dim=-1)[..., 0],
    "odd strides": with_odd_strides,
    "part of another": lambda x: torch.cat([x.flatten()] * 2)[x.numel() :].view(x.shape),
    "negated": lambda x: x if x.is_complex() else torch._neg_view(-x),
}
VIEWS = {
    **LAYOUTS,
    "conjugated": lambda x: x.conj(),
    "expanded": lambda x: x[:1].expand(x.shape) if x.ndim else x,
    "infinite": with_an_infinity,
    "zero": lambda x: x.zero_(),
}

AMBIENTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "meta": lambda: torch.device("meta"),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "float64": lambda: default_dtype(torch.float64),
}
"""What somebody else has set, which must not show."""


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Pair:
    """An optimizer and its yardstick, over parameters that are equal."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case, self.generator = case, torch.Generator().manual_seed(case["seed"])
        self.params = [self.parameter(shape) for shape in case["shapes"]]
        self.twins = [self.twin(p) for p in self.params]
        self.ours = make_optimizer(case["name"], self.params, lr=0.01, **case["options"])
        self.theirs = yardstick(case, self.twins, self.ours.param_groups[0])

    def numbers(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        wide = torch.complex128 if dtype.is_complex else torch.float64
        return torch.randn(shape, generator=self.generator, dtype=wide).to(dtype)

    def parameter(self, shape: tuple[int, ...]) -> torch.nn.Parameter:
        layout = LAYOUTS[self.case["layout"]]
        return torch.nn.Parameter(layout(self.numbers(shape, self.case["dtype"])))

    @staticmethod
    def twin(p: torch.Tensor) -> torch.nn.Parameter:
        return torch.nn.Parameter(p.detach().resolve_neg().clone())

    @property
    def states(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The two states of each parameter that has made an update."""
        every = zip(self.params, self.twins, strict=True)
        return [
            (self.ours.state[p], self.theirs.state[q])
            for p, q in every
            if self.ours.state.get(p) and self.theirs.state.get(q)
        ]

    def set(self, number: int, **settings: Any) -> None:
        """Change settings of a group of both."""
        for optimizer in (self.ours, self.theirs):
            groups = optimizer.param_groups
            groups[number % len(groups)].update(settings)

    def step(self, view: str, present: list[bool]) -> None:
        for p, q, here in zip(self.params, self.twins, present * 9, strict=False):
            g = VIEWS[view](self.numbers(p.shape, p.dtype))
            p.grad = g if here else None
            q.grad = g.resolve_conj().resolve_neg().clone() if here else None
        before = [p.detach().clone() for p in self.params]
        with AMBIENTS[self.case["ambient"]]():
            self.ours.step()
        self.theirs.step()
        for p, q, start in zip(self.params, self.twins, before, strict=True):
            assert_close(p, q, start)
        for state, twin in self.states:
            assert float(state["step"]) == float(twin["step"])
            for name in AVERAGES.values():
                assert (name in state) == (name in twin)
                # Torch's fused kernel takes the larger of a maximum and NaN to be the maximum.
                if name in state and not (name == "max_exp_avg_sq" and twin[name].isnan().any()):
                    assert_close(state[name], twin[name], twin[name])
        self.even_out()

    @torch.no_grad()
    def even_out(self) -> None:
        """Take over the yardstick's last digits, so that errors do not add up."""
        for p, q in zip(self.params, self.twins, strict=True):
            p.copy_(q)
        for state, twin in self.states:
            for name in AVERAGES.values():
                if name in state:
                    state[name].copy_(twin[name])


EPS = {torch.float64: 1e-10, torch.complex128: 1e-10, torch.float32: 1e-5, torch.complex64: 1e-5}


def assert_close(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor) -> None:
    """In half precision two roundings of nearly the same number: at most one apart."""
    eps = torch.finfo(x.dtype).eps if x.dtype in HALF else EPS[x.dtype]
    assert x.dtype == y.dtype
    wide = torch.complex128 if x.is_complex() else torch.float64
    x, y, scale = (t.detach().to(wide) for t in (x, y, scale))
    finite = y.isfinite()
    assert torch.equal(x.isfinite(), finite)
    least = 1e-7 if eps > 1e-4 else eps
    close = (x - y).abs() <= eps * torch.maximum(y.abs(), scale.abs()) + least
    assert close[finite & scale.isfinite()].all()


# What is done between two updates: to the pair, with the number of a parameter and another number.


def forget(pair: Pair, i: int, k: int) -> None:
    pair.ours.state.pop(pair.params[i], None)
    pair.theirs.state.pop(pair.twins[i], None)


def zero(pair: Pair, i: int, k: int) -> None:
    for state in pair.states[i : i + 1]:
        for own in state:
            for x in (own["exp_avg"], own["exp_avg_sq"], step_of(own)):
                x.zero_()


def set_step(pair: Pair, i: int, k: int) -> None:
    for state in pair.states[i : i + 1]:
        for own in state:
            step_of(own).fill_(k)


def step_of(state: dict[str, Any]) -> torch.Tensor:
    """The update number, as a tensor should it be none."""
    state["step"] = torch.as_tensor(state["step"], dtype=torch.float32)
    return state["step"]


def replace_step(pair: Pair, i: int, k: int) -> None:
    dtype = [torch.float64, torch.int64, torch.float16][k % 3]
    for ours, theirs in pair.states[i : i + 1]:
        ours["step"] = k if k > 4 else torch.tensor([k] if k % 2 else k, dtype=dtype)
        theirs["step"] = torch.tensor(float(k))


def replace_average(pair: Pair, i: int, k: int) -> None:
    layout = list(LAYOUTS.values())[k % len(LAYOUTS)]
    for ours, theirs in pair.states[i : i + 1]:
        ours["exp_avg"] = layout(ours["exp_avg"].clone()).resolve_neg()
        ours["exp_avg_sq"].mul_(2)
        theirs["exp_avg_sq"].mul_(2)


def move_data(pair: Pair, i: int, k: int) -> None:
    for ours, _ in pair.states[i : i + 1]:
        for x in (ours["exp_avg"], ours["exp_avg_sq"], step_of(ours)):
            x.data = x.data.clone()


def add_notes(pair: Pair, i: int, k: int) -> None:
    for own, _ in pair.states[i : i + 1]:
        own["note"] = torch.zeros(k)


def read_a_stranger(pair: Pair, i: int, k: int) -> None:
    pair.ours.state[torch.nn.Parameter(torch.zeros(1))]  # a defaultdict: now it is there
    del pair.ours.state[list(pair.ours.state)[-1]]
    pair.ours.state[pair.params[i]]


def load(pair: Pair, i: int, k: int) -> None:
    saved = pair.ours.state_dict()
    if k % 2:
        buffer = io.BytesIO()
        torch.save(saved, buffer)
        buffer.seek(0)
        saved = torch.load(buffer, weights_only=True)
    groups = [{"params": group["params"]} for group in pair.ours.param_groups]
    fresh = make_optimizer(pair.case["name"], groups, lr=0.5, **pair.case["options"])
    for old, new in zip(pair.ours.param_groups, fresh.param_groups, strict=True):
        new.update({name: old[name] for name in ("foreach", "fused", "capturable", "state_dtype")})
    saved = copy.deepcopy(saved)
    hook, change = CHANGES[k // 2]
    fresh.register_load_state_dict_pre_hook(hook)
    fresh.load_state_dict(change(fresh, saved))
    pair.ours = fresh
    for ours, theirs in pair.states:  # Loading casts the state of one that rests, too.
        theirs.update({n: theirs[n].to(ours[n].dtype) for n in AVERAGES.values() if n in theirs})


def turn_round(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Number the parameters from the end. Done twice, nothing has happened."""
    last = max((n for group in saved["param_groups"] for n in group["params"]), default=0)
    groups = [{**g, "params": [last - n for n in g["params"]]} for g in saved["param_groups"]]
    return {"state": {last - n: own for n, own in saved["state"].items()}, "param_groups": groups}


def rename(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Turn a checkpoint into a foreign one, and back."""
    words = {"exp_avg": "m", "m": "exp_avg", "step": "t", "t": "step"}
    states = saved["state"].items()
    renamed = {n: {words.get(key, key): x for key, x in own.items()} for n, own in states}
    return {**saved, "state": renamed}


def simplify(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Write plain numbers for update numbers, and an empty state for none."""
    for group in saved["param_groups"]:
        for n in group["params"]:
            own = saved["state"].setdefault(n, {})
            if own:
                own["step"] = int(own["step"])
    return saved


def leave(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    return saved


CHANGES = [(leave, leave), (turn_round, turn_round), (rename, rename), (leave, simplify)]
"""What a hook before loading does, and what was done to the checkpoint."""


def take_torchs_state(pair: Pair, i: int, k: int) -> None:
    """As those do who come from torch.optim in mid-run."""
    if pair.case["of_torch"]:
        fresh = make_optimizer(
            pair.case["name"],
            [{"params": group["params"]} for group in pair.ours.param_groups],
            lr=0.5,
            **pair.case["options"],
        )
        fresh.load_state_dict(copy.deepcopy(pair.theirs.state_dict()))
        pair.ours = fresh


def give_twice(pair: Pair, i: int, k: int) -> None:
    """Updated twice a step, as torch warns."""
    for params, optimizer in ((pair.params, pair.ours), (pair.twins, pair.theirs)):
        for group in optimizer.param_groups:
            if any(p is params[i] for p in group["params"]):
                group["params"].append(params[i])


def copy_all(pair: Pair, i: int, k: int) -> None:
    if k % 2:
        pair.params, pair.ours = copy.deepcopy((pair.params, pair.ours))
    else:
        pair.params, pair.ours = pickle.loads(pickle.dumps((pair.params, pair.ours)))


def share_memory(pair: Pair, i: int, k: int) -> None:
    for own, _ in pair.states:
        for x in (own["exp_avg"], own["exp_avg_sq"], step_of(own)):
            x.share_memory_()


def set_lr(pair: Pair, i: int, k: int) -> None:
    pair.set(k, lr=0.01 * (k + 1))  # 0 times an infinity is NaN, or at rest where captured.


def set_numbers(pair: Pair, i: int, k: int) -> None:
    pair.set(i, betas=(0.1 * k, 0.99), weight_decay=0.1 * (k % 3), maximize=k % 2 == 0)


def switch_path(pair: Pair, i: int, k: int) -> None:
    path, groups = PATHS[k % len(PATHS)], pair.ours.param_groups
    if can_go(path, pair.case):
        groups[i % len(groups)].update(path)


def can_go(path: dict[str, Any], case: dict[str, Any]) -> bool:
    if path["capturable"]:
        return case["options"].get("first_updates") != "sgd_then_adam"
    return not (path["fused"] and case["layout"] == "with gaps")


def switch_state_dtype(pair: Pair, i: int, k: int) -> None:
    if isinstance(pair.theirs, Algorithm1):
        pair.set(i, state_dtype=[None, torch.float32, torch.float64][k % 3])


def turn_amsgrad_on(pair: Pair, i: int, k: int) -> None:
    """An option of Adam's and its kin."""
    if not pair.case["of_torch"] and pair.case["name"] in ("adam", "adamw", "adam_eps"):
        pair.set(i, amsgrad=True)


def add_group(pair: Pair, i: int, k: int) -> None:
    new = pair.parameter(SHAPES[k])
    pair.ours.add_param_group({"params": [new], "lr": 0.003})
    pair.params.append(new)
    pair.twins.append(pair.twin(new))
    settings = pair.ours.param_groups[-1] if pair.case["of_torch"] is False else {"lr": 0.003}
    pair.theirs.add_param_group({**settings, "params": pair.twins[-1:]})


def grow(pair: Pair, i: int, k: int) -> None:
    """As those do who prune, grow or densify."""
    for params, optimizer in ((pair.params, pair.ours), (pair.twins, pair.theirs)):
        old, state = params[i], optimizer.state.pop(params[i], {})
        new = params[i] = torch.nn.Parameter(
            torch.cat([old.detach()] * 2) if old.ndim else old.data
        )
        for name in AVERAGES.values():
            if name in state and old.ndim:
                state[name] = torch.cat([state[name]] * 2)
        optimizer.state[new] = state
        for group in optimizer.param_groups:
            group["params"] = [new if p is old else p for p in group["params"]]


def change_type(pair: Pair, i: int, k: int) -> None:
    """As ``module.double()`` does: other data under the same parameter."""
    if isinstance(pair.theirs, Algorithm1) and not pair.params[i].is_complex():
        for p in (pair.params[i], pair.twins[i]):
            p.grad, p.data = None, p.data.to(DTYPES[k % len(DTYPES)])


def turn_data_round(pair: Pair, i: int, k: int) -> None:
    """As ``module.to(memory_format=...)`` does."""
    pair.params[i].data = transposed(pair.params[i].data)


ACTIONS = [
    *(forget, zero, set_step, replace_step, replace_average, move_data, add_notes),
    *(read_a_stranger, load, copy_all, share_memory, set_lr, set_numbers, switch_path),
    *(switch_state_dtype, turn_amsgrad_on, add_group, grow, change_type, turn_data_round),
    *(take_torchs_state, give_twice),
]


@st.composite
def cases(draw, of_torch: bool = False) -> dict[str, Any]:
    if of_torch:
        name = draw(st.sampled_from(["adam", "adamw", "amsgrad", "radam"]))
        options: dict[str, Any] = {"variant": "torch"}
        dtype = draw(st.sampled_from([*DTYPES[:2], *COMPLEX]))
    else:
        name, options = draw(st.sampled_from(ADAM_FAMILY)), {}
        dtype = draw(st.sampled_from([*DTYPES, *COMPLEX]))
        options["decoupled_weight_decay"] = draw(st.booleans())
        options["epsilon"] = draw(st.sampled_from(["before", "after"]))
        options["state_dtype"] = draw(st.sampled_from([None, torch.float32, torch.float64]))
        if name == "radam":
            options["threshold"] = draw(st.sampled_from([">4", ">=5", ">5"]))
            options["early"] = draw(st.sampled_from(["momentum", "skip", "adam"]))
        if name == "radam_4step":
            first = ["rectified", "skip", "adam", "sgd_then_adam"]
            options["first_updates"] = draw(st.sampled_from(first))
        if name == "adam_2k":
            options["freeze_updates"] = draw(st.integers(0, 6))
    options["betas"] = (
        draw(st.sampled_from([0.0, 0.9])),
        draw(st.sampled_from([0.5, 0.99, 0.999])),
    )
    options["weight_decay"] = draw(st.sampled_from([0.0, 0.1]))
    options["maximize"] = draw(st.booleans())
    number = st.integers(0, 7)
    case = {
        "name": name,
        "of_torch": of_torch,
        "options": options,
        "dtype": dtype,
        "layout": draw(st.sampled_from(list(LAYOUTS))),
        "ambient": draw(st.sampled_from(list(AMBIENTS))),
        "shapes": draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4)),
        "seed": draw(st.integers(0, 2**31)),
        "plan": draw(
            st.lists(
                st.tuples(
                    st.sampled_from([None, *ACTIONS]),
                    number,
                    number,
                    st.sampled_from(list(VIEWS)),
                    st.lists(st.sampled_from([True, True, False]), min_size=1, max_size=3),
                ),
                min_size=1,
                max_size=12,
            )
        ),
    }
    path = draw(st.sampled_from(PATHS))
    if can_go(path, case):
        options |= path
    return case


TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "radam": torch.optim.RAdam,
}


def yardstick(case: dict[str, Any], params: list[torch.Tensor], group: dict[str, Any]) -> Any:
    if not case["of_torch"]:
        return Algorithm1(case["name"], params, group)
    numbers = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "maximize")}
    return TORCHS[case["name"]](params, foreach=False, **numbers)


def follow(case: dict[str, Any]) -> None:
    pair = Pair(case)
    for action, i, k, view, present in case["plan"]:
        if action is not None:
            action(pair, i % len(pair.params), k)
        pair.step(view, present)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(case=cases())
def test_whatever_is_done_it_follows_algorithm_1(case):
    follow(case)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(case=cases(of_torch=True))
def test_whatever_is_done_it_gives_what_torch_gives(case):
    follow(case)
