import math

import numpy as np
import pytest
import torch

from albumlib.models import quantum
from albumlib.models.checkpoint import TrainingError, load_generator, read_tensors
from albumlib.models.networks import draw_latents
from albumlib.models.quantum import ClassicalPrior, QuantumPrior, expectations
from albumlib.studies import quantum_prior
from albumlib.training import loop
from albumlib.training.config import TrainingConfig, recipe

SMALL = {"size": 32, "batch_size": 8, "generator_width": 4, "critic_width": 4, "latent": 8}
SIZES = [(2, 1), (3, 2), (5, 2), (6, 3)]


def angles(count, qubits, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return math.pi * (2 * torch.rand(count, qubits, generator=rng, dtype=torch.double) - 1)


# The simulation ---------------------------------------------------------------------------------


def test_without_layers_a_qubit_is_the_cosine_of_its_angle():
    inputs = angles(9, 4)
    torch.testing.assert_close(expectations(inputs, torch.empty(0).double(), 0), inputs.cos())


def test_a_ring_of_cnots_multiplies_what_it_joins():
    inputs, still = angles(7, 3), torch.zeros(6, dtype=torch.double)
    c = inputs.cos()
    # 0 turns 1, 1 turns 2, 2 turns 0: heights of what is flipped by another are products.
    wanted = torch.stack([c[:, 1] * c[:, 2], c[:, 0] * c[:, 1], c.prod(1)], dim=1)
    torch.testing.assert_close(expectations(inputs, still, 1), wanted)


def test_gradients_are_those_of_the_parameter_shift_rule():
    inputs, weights = angles(3, 3), angles(1, 12, seed=1)[0].requires_grad_()
    expectations(inputs, weights, 2).sum().backward()
    shift = math.pi / 2 * torch.eye(12, dtype=torch.double)
    with torch.no_grad():
        up, down = (
            torch.stack([expectations(inputs, weights + sign * row, 2).sum() for row in shift])
            for sign in (1, -1)
        )
    torch.testing.assert_close(weights.grad, (up - down) / 2)


@pytest.mark.parametrize(("qubits", "layers"), SIZES)
def test_the_control_has_as_many_weights(qubits, layers):
    sizes = [
        sum(weight.numel() for weight in kind(qubits, layers).parameters())
        for kind in (QuantumPrior, ClassicalPrior)
    ]
    assert sizes == [2 * qubits * layers] * 2


# Qiskit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("qubits", "layers"), SIZES)
def test_it_is_qiskits_own_circuit(qubits, layers):
    info = pytest.importorskip("qiskit.quantum_info")
    prior, inputs = QuantumPrior(qubits, layers), angles(3, qubits)
    weights = prior.weights.detach().double()
    ours = expectations(inputs, weights, layers)
    built = quantum.circuit(qubits, layers)
    for row, wanted in zip(inputs, ours, strict=True):
        named = {"u": row.tolist(), "w": weights.tolist()}
        bound = built.assign_parameters(
            {a: named[a.vector.name][a.index] for a in built.parameters}
        )
        state = info.Statevector(bound)
        found = [
            state.expectation_value(
                info.SparsePauliOp.from_sparse_list([("Z", [q], 1)], qubits)
            ).real
            for q in range(qubits)
        ]
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)


def test_torch_connector_trains_and_agrees():
    pytest.importorskip("qiskit_machine_learning")
    torch.manual_seed(0)
    prior, inputs = QuantumPrior(3, 1), angles(2, 3).float()
    connected = quantum.torch_connector(prior)
    optimiser, losses = torch.optim.Adam(connected.parameters(), lr=0.2), []
    for _ in range(3):
        loss = (connected(inputs) - 0.5).square().mean()
        optimiser.zero_grad()
        loss.backward()
        if not losses:
            (expectations(inputs, prior.weights, 1) - 0.5).square().mean().backward()
            [gradient] = [weight.grad for weight in connected.parameters()]
            torch.testing.assert_close(gradient, prior.weights.grad, atol=1e-5, rtol=1e-4)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_shots_come_near_and_errors_pull_to_the_middle():
    pytest.importorskip("qiskit_aer")
    prior, inputs = QuantumPrior(3, 1), angles(4, 3)
    exact = expectations(inputs, prior.weights.detach().double(), 1).numpy()
    few, many = (quantum.measured(inputs.numpy(), prior, shots) for shots in (50, 20_000))
    assert np.abs(many - exact).max() < 0.04 < np.abs(few - exact).max()
    errors = {"one_qubit": 0.05, "two_qubits": 0.1, "reading": 0.05}
    noisy = quantum.measured(inputs.numpy(), prior, 20_000, errors)
    assert np.abs(noisy).mean() < 0.9 * np.abs(exact).mean()


# In a model -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    loop.train(recipe("wgan_logan", **SMALL, steps=2), images, None, folder)
    return folder, images


@pytest.mark.parametrize("prior", quantum.PRIORS)
def test_only_the_prior_learns_when_the_rest_is_frozen(plain, tmp_path, prior):
    start, images = plain
    config = recipe(
        "wgan_logan", **SMALL, steps=3, prior=prior, qubits=4, prior_layers=2, freeze_generator=True
    )
    made = loop.train(config, images, None, tmp_path, start=start)
    before, opened = load_generator(start), load_generator(tmp_path)
    learned = opened.state_dict()
    assert all(torch.equal(weight, learned[name]) for name, weight in before.state_dict().items())
    tensors, _ = read_tensors(tmp_path / "training.safetensors")
    torch.manual_seed(config.seed)
    z = draw_latents(3, 8, torch.Generator().manual_seed(0))
    assert torch.equal(made(z), opened(z)) and not torch.equal(opened(z), before(z))
    moved = [name for name in tensors if name.startswith("generator.prior.")]
    assert moved and isinstance(opened.prior, quantum.PRIORS[prior])


def test_values_can_stand_in_for_the_prior(plain, tmp_path):
    _, images = plain
    config = recipe("wgan_logan", **SMALL, steps=1, prior="quantum", qubits=3, prior_layers=1)
    model = loop.train(config, images, None, tmp_path)
    z = draw_latents(2, 8, torch.Generator().manual_seed(0))
    exact = model.prior(z[:, :3]).detach()
    from albumlib.sampling.latent import draw

    assert np.array_equal(quantum_prior.draw_from(model, z, exact, None), draw(model, z))
    assert model.prior is not None


@pytest.mark.parametrize(
    ("qubits", "message"), [(1, "from 2 to 12"), (13, "from 2 to 12"), (9, "at most latent, 8")]
)
def test_too_few_or_too_many_qubits_are_refused(qubits, message):
    with pytest.raises(TrainingError, match=f"qubits must be {message}"):
        TrainingConfig(prior="quantum", qubits=qubits, latent=8)
