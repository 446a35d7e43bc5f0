"""Peers in PyTorch: an RKN with banded arithmetic, run eagerly, and the paper's convolutional network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rekalman.networks.rkn.layer import RKN

torch.set_num_threads(2)


class BandedRKN(nn.Module):
    """The paper's recursion with bands as rows of diagonals, all series and all blocks in each operation.

    A product with a band is a product with shifted windows of the vector (a view, nothing is copied), summed
    over the diagonals; the four blocks are one tensor. With `C = A S` for the two by two matrices of blocks,
    the kept diagonals of `A S A'` are `C1.A1`, `C2.A2` and `C1.A2`.
    """

    def __init__(self, layer: RKN):
        super().__init__()
        own = lambda x: nn.Parameter(torch.from_numpy(np.array(x)))  # noqa: E731
        self.bases = own(layer.bases)
        self.mix = own(layer.coefficients.state.T)
        self.bias = own(layer.coefficients.known.bias)
        self.noise = own(layer.dynamics.noise)
        first = torch.tensor([0, 0, 1, 1, 0]) * layer.options.start_var
        self.first = first[:, None].expand(-1, layer.latent)

    def forward(self, mean: Tensor, var: Tensor) -> Tensor:
        """Posterior beliefs `[p, q, u, l, s]`, `(batch, time, 5, latent)`."""
        belief, path = self.first.expand(len(mean), -1, -1), []
        for w, r in zip(mean.unbind(1), var.unbind(1), strict=True):
            belief = self.update(self.predict(belief), w, r)
            path.append(belief)
        return torch.stack(path, 1)

    def predict(self, x: Tensor) -> Tensor:
        """One step through time."""
        n, _, latent = x.shape
        width = self.bases.shape[2]
        logits = F.linear(x[:, :2].reshape(n, -1), self.mix, self.bias)
        A = (logits.softmax(-1) @ self.bases.flatten(1)).view(n, 2, 2, width, latent)
        shifted = F.pad(x, (width // 2, width // 2)).unfold(-1, latent, 1)
        z, S = shifted[:, :2], shifted[:, [2, 4, 4, 3]].unflatten(1, (2, 2))
        C = A[:, :, 0, None] * S[:, None, 0] + A[:, :, 1, None] * S[:, None, 1]
        moved = (A * z[:, None]).sum((2, 3))
        diagonals = (C * A).sum((2, 3)) + self.noise
        side = (C[:, 0] * A[:, 1]).sum((1, 2))
        return torch.cat([moved, diagonals, side[:, None]], 1)

    def update(self, x: Tensor, w: Tensor, r: Tensor) -> Tensor:
        """An observation enters."""
        p, q, u, l, s = x.unbind(1)  # noqa: E741 - its name in the equations
        d = 1 / (u + r)
        k, h, e = u * d, s * d, w - p
        return torch.stack([p + k * e, q + h * e, u - k * u, l - h * s, s - k * s], 1)


class ConvNet(nn.Module):
    """The paper's encoder for the pendulum, the banded RKN and a head with 30 tanh units, channels last."""

    def __init__(self, layer: RKN, targets: int):
        super().__init__()
        m = layer.latent
        self.first, self.second = nn.Conv2d(1, 12, 5, padding=2), nn.Conv2d(12, 12, 3, stride=2)
        self.norms = nn.ModuleList([nn.GroupNorm(1, 12, eps=1e-5) for _ in range(2)])
        self.dense, self.mean, self.var = nn.Linear(108, 30), nn.Linear(30, m), nn.Linear(30, m)
        self.layer = BandedRKN(layer)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(size, 30), nn.Tanh(), nn.Linear(30, targets))
            for size in (2 * m, 3 * m)
        )
        self.to(memory_format=torch.channels_last)

    def loss(self, frames: Tensor, targets: Tensor) -> Tensor:
        """Minus the log density of the targets, mean over steps."""
        n, time = frames.shape[:2]
        x = (frames.flatten(0, 1).float() / 255).permute(0, 3, 1, 2)
        x = F.max_pool2d(F.relu(self.norms[0](self.first(x))), 2)
        x = F.max_pool2d(F.relu(self.norms[1](self.second(F.pad(x, (0, 1, 0, 1))))), 2)
        x = F.relu(self.dense(x.flatten(1)))
        w, r = F.normalize(self.mean(x), dim=-1), F.elu(self.var(x)) + 1
        path = self.layer(w.view(n, time, -1), r.view(n, time, -1))
        mean = self.heads[0](path[:, :, :2].flatten(2))
        var = F.elu(self.heads[1](path[:, :, 2:].flatten(2))) + 1 + 1e-8
        return 0.5 * (var.log() + (targets - mean) ** 2 / var).sum(-1).mean()


class StreamingLSTM(nn.Module):
    """One step of an LSTM of the paper's size, `4 m` units, with the same head."""

    def __init__(self, latent: int, targets: int):
        super().__init__()
        self.cell = nn.LSTMCell(2 * latent, 4 * latent)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * latent, 30), nn.Tanh(), nn.Linear(30, targets))
            for _ in range(2)
        )

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The next state; mean and variance are computed and dropped."""
        hidden, memory = self.cell(x, state)
        mean, spread = hidden.chunk(2, -1)
        self.heads[0](mean)
        F.elu(self.heads[1](spread.exp())) + 1
        return hidden, memory
