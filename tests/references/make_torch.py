"""Write torch.npz: small outputs of PyTorch's RNN, GRU and LSTM, with their weights.

    pip install torch && python tests/references/make_torch.py

Run once; the file is committed, so the tests need no PyTorch.
"""

import pathlib

import numpy as np
import torch

T, B, D, H = 7, 3, 4, 5


def main():
    torch.manual_seed(0)
    x = torch.randn(T, B, D, dtype=torch.float64)
    arrays = {"x": x.numpy(), "version": np.array(torch.__version__)}
    layers = {
        "rnn_tanh": torch.nn.RNN(D, H),
        "rnn_relu": torch.nn.RNN(D, H, nonlinearity="relu"),
        "gru": torch.nn.GRU(D, H),
        "lstm": torch.nn.LSTM(D, H),
    }
    for name, layer in layers.items():
        layer = layer.double()
        outputs, state = layer(x)
        loss = (outputs**2).sum()
        loss.backward()
        arrays[f"{name}/outputs"] = outputs.detach().numpy()
        for key, parameter in layer.named_parameters():
            arrays[f"{name}/{key}"] = parameter.detach().numpy()
            arrays[f"{name}/{key}.grad"] = parameter.grad.numpy()
    np.savez_compressed(pathlib.Path(__file__).with_name("torch.npz"), **arrays)


if __name__ == "__main__":
    main()
