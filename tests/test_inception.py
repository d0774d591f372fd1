import os
import pickle
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from albumlib.evaluation import metrics
from albumlib.evaluation.extractor import extract, load_extractor
from albumlib.evaluation.inception import inception
from albumlib.evaluation.metrics import MetricsError

fidelity = pytest.importorskip("torch_fidelity")
from torch_fidelity import feature_extractor_inceptionv3 as network  # noqa: E402
from torch_fidelity.feature_extractor_base import FeatureExtractorBase  # noqa: E402


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (60, 64, 64, 3), dtype=np.uint8)
    return (real[:30] // 2 + 40), real[30:]


class Ours(FeatureExtractorBase):
    """The project's extractor, as torch-fidelity wants one."""

    def __init__(self, name, features_list, **_):
        super().__init__(name, features_list)
        self.extractor = load_extractor()

    @staticmethod
    def get_provided_features_list():
        return ("ours",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "ours"

    @staticmethod
    def can_be_compiled():
        return False

    def forward(self, covers):
        return (self.extractor(covers.float() / 127.5 - 1),)


def test_on_our_features_it_says_what_our_metrics_say(pictures):
    if "ours" not in fidelity.registry.FEATURE_EXTRACTORS_REGISTRY:
        fidelity.register_feature_extractor("ours", Ours)
    found = inception(*pictures, network="ours")
    seen = [extract(load_extractor(), pixels) for pixels in pictures]
    assert found["fid"] == pytest.approx(metrics.frechet(*seen), rel=1e-4)
    whole = metrics.mmd2(*seen)  # subsets of all covers are the whole
    assert found["kid"] == pytest.approx(whole, rel=1e-3) and found["kid_sd"] < 1e-4


def test_inceptions_own_network_runs_on_a_file_of_weights(pictures, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:  # random weights: the true ones cannot be had here
        patch.setattr(network, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *_, **__: None)
        random = network.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(random.state_dict(), tmp_path / "weights.pth")
    some = [pixels[:4] for pixels in pictures]
    found = inception(*some, weights=tmp_path / "weights.pth")
    assert found["n"] == 4 and found["fid"] > 0


def test_without_weights_it_says_where_to_get_them(pictures, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(network, "load_state_dict_from_url", offline)
    with pytest.raises(MetricsError, match=r"cannot be fetched .* give the file as `weights`"):
        inception(*pictures)
    with pytest.raises(MetricsError, match="there is no file"):
        inception(*pictures, weights=tmp_path / "missing.pth")


@pytest.mark.parametrize("other", [{"convolution.weight": torch.zeros(3)}, torch.zeros(3)])
def test_weights_of_another_network_are_told(other, pictures, tmp_path):
    torch.save(other, tmp_path / "weights.pth")
    with pytest.raises(MetricsError, match="weights of another network than Inception"):
        inception(*pictures, weights=tmp_path / "weights.pth")


def test_a_hostile_file_of_weights_is_not_run(pictures, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(MetricsError, match="is no file of weights"):
        inception(*pictures, weights=tmp_path / "weights.pth")
    assert not (tmp_path / "run").exists()
