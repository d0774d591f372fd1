"""The numbers that papers print: FID and KID on the Inception network, through torch-fidelity.

They need its weights, 91 MB, which cannot be shipped; torch-fidelity fetches them once, or they
are given as a file. Inception has learned to tell photographs of things apart and knows little of
covers, so the course uses other extractors; these are for comparison with others.
"""

import pickle
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Subset

from albumlib.evaluation.metrics import MetricsError

NETWORK = "inception-v3-compat"  # the one that the FIDs of papers were computed with
FIRST = "Conv2d_1a_3x3.conv.weight"  # of its tensors
ADDRESS = "https://github.com/toshas/torch-fidelity/releases"


def inception(
    fake: np.ndarray,
    real: np.ndarray,
    *,
    weights: str | Path = "",
    network: str = NETWORK,
    batch_size: int = 32,
) -> dict[str, float]:
    """FID (arXiv 1706.08500) and KID (arXiv 1801.01401) of covers (N, S, S, 3) uint8.

    Returns `fid`, `kid`, `kid_sd` and `n`; pictures are enlarged to 299 pixels as in the original
    code. `weights` is the file of Inception's weights, fetched if not given. `network` may be
    another extractor that was registered with torch-fidelity. Raises MetricsError if torch-fidelity
    or the weights cannot be had.
    """
    try:
        from torch_fidelity import calculate_metrics
    except ImportError as error:
        raise MetricsError("FID needs torch-fidelity: pip install 'albumlib[inception]'") from error
    size = min(1000, len(fake), len(real))
    covers = (torch.from_numpy(np.array(pixels)).movedim(-1, 1) for pixels in (fake, real))
    first, second = (Subset(some, range(len(some))) for some in covers)  # data sets of tensors
    try:
        found = calculate_metrics(
            input1=first, input2=second, fid=True, kid=True,
            feature_extractor=network, feature_extractor_weights_path=_checked(weights),
            kid_subset_size=size, batch_size=batch_size, cuda=torch.cuda.is_available(),
            cache=False, verbose=False, save_cpu_ram=True,
        )  # fmt: skip
    except OSError as error:
        raise MetricsError(
            f"Inception's weights cannot be fetched ({error}); download weights-inception-"
            f"2015-12-05-6726825d.pth from {ADDRESS} and give the file as `weights`"
        ) from error
    return {
        "fid": found["frechet_inception_distance"],
        "kid": found["kernel_inception_distance_mean"],
        "kid_sd": found["kernel_inception_distance_std"],
        "n": min(len(fake), len(real)),
    }


def _checked(weights: str | Path) -> str | None:
    """The path, after a look that the file holds Inception's tensors and nothing else:
    torch-fidelity would run what a hostile pickle says."""
    if not weights:
        return None
    if not Path(weights).is_file():
        raise MetricsError(f"there is no file {weights} of Inception's weights")
    try:
        tensors = torch.load(weights, weights_only=True, map_location="meta")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise MetricsError(f"{weights} is no file of weights ({str(error)[:80]})") from error
    if not isinstance(tensors, dict) or FIRST not in tensors:
        raise MetricsError(f"{weights} holds the weights of another network than Inception")
    return str(weights)
