"""The residual networks: their size, shape and start, and that they learn."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from experiments.tasks.cifar10.model import ResNetCifar


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_resnet20_has_the_papers_parameters():
    model = ResNetCifar()
    # By hand: stem, three stages of three blocks, two projections, BN pairs, the linear layer.
    convolutions = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    projections = 16 * 32 + 32 * 64
    batch_norms = 2 * (16 + 6 * 16 + 7 * 32 + 7 * 64)
    linear = 64 * 10 + 10
    assert count(model) == convolutions + projections + batch_norms + linear == 272_474


@pytest.mark.parametrize(
    ("depth", "widths", "parameters"), [(8, (8, 16, 32), 19_954), (14, (16, 32, 64), 175_258)]
)
def test_smaller_kin(depth, widths, parameters):
    model = ResNetCifar(depth, widths)
    assert count(model) == parameters
    main_path = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] == 3]
    assert len(main_path) + 1 == depth


@pytest.mark.parametrize("depth", [2, 9, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=f"depth {depth} is not 6n"):
        ResNetCifar(depth)


def test_widths_must_be_three():
    with pytest.raises(ValueError, match="must be three"):
        ResNetCifar(20, (16, 32))


def test_start():
    torch.manual_seed(0)
    model = ResNetCifar(20, (16, 32, 64))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            n = module.weight.numel()
            spread = module.weight.std() / (2 / fan_out) ** 0.5
            assert abs(spread - 1) < 4 / (2 * n) ** 0.5  # 4 standard errors of a deviation
            assert module.weight.mean().abs() < 4 * (2 / fan_out / n) ** 0.5
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.all(module.weight == 1)
            assert torch.all(module.bias == 0)


def test_stages_halve_the_image_and_only_then_project():
    model = ResNetCifar(20, (16, 32, 64)).eval()
    shapes = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    assert shapes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3
    projects = [not isinstance(block.shortcut, nn.Identity) for block in model.blocks]
    assert projects == [False] * 3 + [True, False, False] * 2


def test_a_block_adds_its_shortcut():
    torch.manual_seed(0)
    block = ResNetCifar(8, (8, 16, 32)).blocks[0].eval()
    with torch.no_grad():
        block.second[1].weight.zero_()  # the residual branch is silent
        x = torch.randn(2, 8, 4, 4)
        assert torch.equal(block(x), x.relu())


def test_either_memory_layout_of_the_images_gives_the_same_logits():
    torch.manual_seed(0)
    model = ResNetCifar(8, (8, 16, 32)).eval()
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(
        model(images), model(images.contiguous(memory_format=torch.channels_last))
    )


def test_it_learns_a_batch_by_heart():
    torch.manual_seed(0)
    model = ResNetCifar(8, (8, 16, 32))
    images, labels = torch.randn(32, 3, 32, 32), torch.arange(32) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        assert all(parameter.grad.any() for parameter in model.parameters())
        optimizer.step()
    assert loss < 0.1
