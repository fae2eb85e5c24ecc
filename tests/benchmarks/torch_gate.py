"""The same gate, written in PyTorch as one would write it: Adam, minibatches, early stopping.

Rate and penalty are chosen by the records to stop on; the seconds, by the clock and of the
processor, are those of the one fit chosen.
Reads arrays from the first file named and writes theta and seconds to the second. It runs in an
environment of its own, without the package.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

BATCH = 256
PATIENCE = 3
MOST_EPOCHS = 100
RATES = [0.01, 0.03]


class TorchGate(torch.nn.Module):
    def __init__(self, data):
        super().__init__()
        self.personas, self.exemplars = data["personas"], data["exemplars"]
        self.w_x = torch.nn.Parameter(data["w_x"].clone())
        self.w_g = torch.nn.Parameter(data["w_g"].clone())
        self.w_e = torch.nn.Parameter(data["w_e"].clone())
        self.b = torch.nn.Parameter(data["b"].clone())

    def log_prob(self, part):
        """Return log p(y | x) of each record of a part."""
        u, v = part["contexts"] @ self.w_x.T, self.personas @ self.w_g.T
        q = self.exemplars[part["pool"]] @ self.w_e.T
        record, persona, column = part["record"], part["persona"], part["column"]
        log_pi = torch.log_softmax(u @ v.T + self.b, 1)
        pairs, place = torch.unique(record * len(v) + persona, return_inverse=True)
        i, k = pairs // len(v), pairs % len(v)
        logits = (u[i] + v[k]) @ q.T
        logits = logits.masked_fill(part["excluded"][i], -torch.inf)
        log_omega = torch.log_softmax(logits, 1)[place, column]
        joint = log_pi[record, persona] + log_omega + part["log_lik"]
        top = torch.full((len(u),), -torch.inf).scatter_reduce(0, record, joint.detach(), "amax")
        total = torch.zeros(len(u)).index_add(0, record, torch.exp(joint - top[record]))
        return top + torch.log(total)

    def penalty(self):
        return sum((matrix**2).sum() for matrix in (self.w_x, self.w_g, self.w_e))


def part_of(data, rows):
    """Return some records with their components; `rows` ascend."""
    kept = torch.isin(data["record"], rows)
    return {
        "contexts": data["contexts"][rows],
        "excluded": data["excluded"][rows],
        "record": torch.searchsorted(rows, data["record"][kept]),
        "persona": data["persona"][kept],
        "column": data["column"][kept],
        "log_lik": data["log_lik"][kept],
        "pool": data["pool"],
    }


def loss_of(gate, data):
    with torch.no_grad():
        batches = torch.arange(len(data["contexts"])).split(BATCH)
        return -sum(float(gate.log_prob(part_of(data, rows)).sum()) for rows in batches)


def fit(gate, train, stop, rate, l2):
    """Return the best loss on `stop`; the gate is left as it was there."""
    optimiser = torch.optim.Adam(gate.parameters(), rate)
    best, best_loss, since = gate.state_dict(), loss_of(gate, stop), 0
    best = {name: value.clone() for name, value in best.items()}
    for _ in range(MOST_EPOCHS):
        for rows in torch.randperm(len(train["contexts"])).split(BATCH):
            optimiser.zero_grad()
            log_prob = gate.log_prob(part_of(train, rows.sort().values))
            (l2 * gate.penalty() - log_prob.mean()).backward()
            optimiser.step()
        loss, since = loss_of(gate, stop), since + 1
        if loss < best_loss:
            best_loss, since = loss, 0
            best = {name: value.clone() for name, value in gate.state_dict().items()}
        if since >= PATIENCE:
            break
    gate.load_state_dict(best)
    return best_loss


def read(path):
    with np.load(path) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays}
    data = {n: t.float() if t.dtype == torch.float64 else t for n, t in tensors.items()}
    sides = {
        side: {n.removeprefix(side): t for n, t in data.items() if n.startswith(side)}
        for side in ("train_", "stop_")
    }
    return data, sides["train_"], sides["stop_"]


def main(source, target):
    data, train, stop = read(source)
    least = float("inf")
    for rate in RATES:
        for l2 in data["penalties"].tolist():
            torch.manual_seed(0)
            gate = TorchGate(data)
            began = np.array([time.perf_counter(), time.process_time()])
            loss = fit(gate, train, stop, rate, l2)
            taken = [time.perf_counter(), time.process_time()] - began
            print(
                f"PyTorch, rate {rate}, penalty {l2:.3g}: loss {loss:.2f}, {taken.round(1)} s",
                flush=True,
            )
            if loss < least:
                least, settings, seconds = loss, (rate, l2), taken
                parts = (gate.w_x, gate.w_g, gate.w_e, gate.b)
                theta = torch.cat([p.detach().ravel() for p in parts]).double().numpy()
    np.savez(target, theta=theta, seconds=seconds, settings=settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
