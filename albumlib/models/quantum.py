"""A latent prior from a quantum circuit: written for Qiskit, and simulated in torch for training.

Some of a generator's latents, uniform as ever, turn the qubits of a small circuit; the qubits'
expectation values <Z>, in [-1, 1], take their places. The circuit's angles are weights like any
others. One list of gates says what the circuit is: `circuit` builds it in Qiskit, `expectations`
computes the state of many samples at once with 20 lines of torch, exactly (a state vector, no
shots). Qiskit itself is needed only to draw it, to check it, and for noise.

After the data re-uploading circuits of Perez-Salinas et al. 2020 (arXiv 1907.02085) without the
re-uploads, and the latent priors of LaSt-QGAN (arXiv 2406.02668). Up to about ten qubits the
simulation costs less than the generator does.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

QUBITS = range(2, 13)  # beyond, the state of a batch no longer fits beside a generator's work
SHOTS = 1024
# Error rates of a machine of today, in round numbers: a gate on one qubit, on two, a reading.
HARDWARE = {"one_qubit": 0.001, "two_qubits": 0.01, "reading": 0.02}

Gate = tuple[str, tuple[int, ...], str, int]  # name, qubits, "input", "weight" or "", its number


def gates(qubits: int, layers: int) -> Iterator[Gate]:
    """The circuit, gate by gate: inputs as angles, then layers of rotations and a ring of CNOTs.

    Each layer has two weights a qubit, so there are 2 * qubits * layers weights.
    """
    for qubit in range(qubits):
        yield "ry", (qubit,), "input", qubit
    for layer in range(layers):
        for qubit in range(qubits):
            number = 2 * (layer * qubits + qubit)
            yield "ry", (qubit,), "weight", number
            yield "rz", (qubit,), "weight", number + 1
        for qubit in range(qubits if qubits > 2 else 1):
            yield "cx", (qubit, (qubit + 1) % qubits), "", 0


# Simulation: amplitudes (B, 2^n) in Qiskit's order, qubit 0 the lowest bit of the index ----------


def expectations(inputs: Tensor, weights: Tensor, layers: int) -> Tensor:
    """<Z> of each qubit, (B, n) in [-1, 1], for input angles (B, n) and weights (2 * n * layers,).

    Exact, differentiable in both, as precise as their type.
    """
    qubits = inputs.shape[1]
    real = torch.zeros(len(inputs), 2**qubits, dtype=inputs.dtype, device=inputs.device)
    real[:, 0] = 1
    state = torch.complex(real, torch.zeros_like(real))
    for name, on, kind, number in gates(qubits, layers):
        if name == "cx":
            state = state[:, _controlled_flip(qubits, *on).to(state.device)]
        else:
            angle = inputs[:, number, None, None] if kind == "input" else weights[number]
            state = _rotate(state, on[0], name, angle / 2)
    probabilities = state.real.square() + state.imag.square()
    return probabilities @ _signs(qubits).to(probabilities)


def _rotate(state: Tensor, qubit: int, name: str, half: Tensor) -> Tensor:
    """A rotation by 2 * `half` about the y or z axis of one qubit."""
    low, high = state.unflatten(1, (-1, 2, 2**qubit)).unbind(2)  # amplitudes of |0> and of |1>
    if name == "ry":
        low, high = half.cos() * low - half.sin() * high, half.sin() * low + half.cos() * high
    else:
        turn = torch.complex(half.cos(), half.sin())
        low, high = low * turn.conj(), high * turn
    return torch.stack([low, high], dim=2).flatten(1)


def _controlled_flip(qubits: int, control: int, target: int) -> Tensor:
    """Where each amplitude comes from when `target` is flipped wherever `control` is 1."""
    index = torch.arange(2**qubits)
    return index ^ (((index >> control) & 1) << target)


def _signs(qubits: int) -> Tensor:
    """Z's eigenvalue for each basis state and qubit, (2^n, n): 1 for a bit 0, -1 for a bit 1."""
    index = torch.arange(2**qubits)[:, None]
    return 1 - 2 * ((index >> torch.arange(qubits)) & 1)


# Priors: the first latents of a batch to as many others ------------------------------------------


class QuantumPrior(nn.Module):
    """The first `qubits` latents (B, n) in [-1, 1] to expectation values (B, n) in [-1, 1].

    A latent u turns its qubit by pi * u. Raises ValueError if `qubits` is out of range.
    """

    def __init__(self, qubits: int, layers: int):
        super().__init__()
        if qubits not in QUBITS:
            raise ValueError(f"a prior needs {QUBITS[0]} to {QUBITS[-1]} qubits, got {qubits}")
        self.qubits, self.layers = qubits, layers
        self.weights = nn.Parameter(torch.empty(2 * qubits * layers).uniform_(-0.5, 0.5))

    def forward(self, latents: Tensor) -> Tensor:
        with torch.autocast(latents.device.type, enabled=False):  # angles want full precision
            return expectations(math.pi * latents.float(), self.weights, self.layers)


class ClassicalPrior(nn.Module):
    """The control: a network of two layers with as many weights as the circuit of that size."""

    def __init__(self, qubits: int, layers: int):
        super().__init__()
        self.qubits, self.layers = qubits, layers
        self.inwards = nn.Linear(qubits, layers, bias=False)
        self.outwards = nn.Linear(layers, qubits, bias=False)

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(self.outwards(torch.tanh(self.inwards(latents))))


PRIORS = {"quantum": QuantumPrior, "mlp": ClassicalPrior}


def prior_shape(prior: nn.Module) -> dict:
    """What to build a prior from again, as a generator's arguments."""
    name = next(name for name, kind in PRIORS.items() if isinstance(prior, kind))
    return {"prior": name, "qubits": prior.qubits, "prior_layers": prior.layers}


# Qiskit ------------------------------------------------------------------------------------------


def circuit(qubits: int, layers: int) -> "QuantumCircuit":
    """The circuit in Qiskit, with parameters u[...] for the inputs and w[...] for the weights."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector

    angles = {
        "input": ParameterVector("u", qubits),
        "weight": ParameterVector("w", 2 * qubits * layers),
    }
    built = QuantumCircuit(qubits)
    for name, on, kind, number in gates(qubits, layers):
        turn = [angles[kind][number]] if kind else []
        getattr(built, name)(*turn, *on)
    return built


def torch_connector(prior: QuantumPrior) -> nn.Module:
    """The same prior as a network of qiskit-machine-learning, from angles (B, n) to <Z> (B, n).

    Gradients come from parameter shifts, which needs two runs of the circuit a weight: right on
    a quantum computer, hundreds of times slower than `expectations` on this one. It starts with
    the prior's weights. Exact: the estimator's default precision would add the noise of shots.
    """
    from qiskit.primitives import StatevectorEstimator
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    built = circuit(prior.qubits, prior.layers)
    network = EstimatorQNN(
        circuit=built,
        estimator=StatevectorEstimator(),
        observables=[
            SparsePauliOp.from_sparse_list([("Z", [qubit], 1.0)], num_qubits=prior.qubits)
            for qubit in range(prior.qubits)
        ],
        input_params=[angle for angle in built.parameters if angle.name.startswith("u")],
        weight_params=[angle for angle in built.parameters if angle.name.startswith("w")],
        default_precision=0.0,
    )
    return TorchConnector(network, initial_weights=prior.weights.detach().numpy())


def measured(
    inputs: np.ndarray,
    prior: QuantumPrior,
    shots: int = SHOTS,
    noise: dict[str, float] | None = None,
    seed: int = 2021,
) -> np.ndarray:
    """<Z> (B, n) as a machine would give it: means over `shots` readings of each circuit.

    `inputs` (B, n) are angles. `noise` holds error rates as in HARDWARE: depolarising gates,
    and readings that flip. Runs on Qiskit Aer.
    """
    from qiskit_aer import AerSimulator

    built = circuit(prior.qubits, prior.layers)
    weights = prior.weights.detach().double().numpy()
    by_name = sorted(built.parameters, key=lambda angle: (angle.vector.name, angle.index))
    built.measure_all()
    runs = [
        built.assign_parameters(dict(zip(by_name, [*angles, *weights], strict=True)))
        for angles in np.asarray(inputs, dtype=float)
    ]
    machine = AerSimulator(noise_model=_noise_model(noise) if noise else None, seed_simulator=seed)
    result = machine.run(runs, shots=shots).result()
    signs = _signs(prior.qubits).numpy()
    return np.stack(
        [
            sum(count * signs[int(bits, 2)] for bits, count in result.get_counts(n).items()) / shots
            for n in range(len(runs))
        ]
    )


def _noise_model(rates: dict[str, float]):
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

    model, flip = NoiseModel(), rates["reading"]
    model.add_all_qubit_quantum_error(depolarizing_error(rates["one_qubit"], 1), ["ry", "rz"])
    model.add_all_qubit_quantum_error(depolarizing_error(rates["two_qubits"], 2), ["cx"])
    model.add_all_qubit_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]))
    return model
