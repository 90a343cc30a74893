"""Compares the Triton kernels with the PyTorch ones.

Run as a process of its own: Triton's interpreter is chosen before Triton is imported.
"""

import os

import torch

from spacy_elmo.pretraining.gpu import cell

device = "cuda" if torch.cuda.is_available() else "cpu"


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    tolerance = 1e-5 if found.dtype == torch.float32 else 1e-2
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def check_cell(rows: int, cells: int, dtype: torch.dtype) -> None:
    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device) * 2

    gates, before = random(rows, 4 * cells).to(dtype), random(rows, cells)
    gates[0, 0], before[0, 0] = 200.0, -200.0  # saturated
    after, hidden = torch.full_like(before, 9.0), torch.full_like(before, 9.0, dtype=dtype)
    wanted = gates.clone(), before, after.clone(), hidden.clone()
    cell.cell_forward(*wanted)
    triton_kernels.cell_forward(gates, before, after, hidden)
    for one, other in zip((gates, before, after, hidden), wanted, strict=True):
        close(one, other)
    d_hidden, d_cell = random(rows, cells).to(dtype), random(rows, cells)
    gates.copy_(wanted[0])
    reference = d_cell.clone()
    cell.cell_backward(wanted[0], before, after, d_hidden, reference)
    triton_kernels.cell_backward(gates, before, after, d_hidden, d_cell)
    close(gates, wanted[0])
    close(d_cell, reference)


def check_softmax(rows: int, n: int, dtype: torch.dtype) -> None:
    logits = (torch.randn(rows, n, device=device) * 3).to(dtype)
    target, struck = torch.randn(rows, device=device), torch.randint(n, (rows,), device=device)
    struck[0] = n
    wanted, wanted_target = logits.clone(), target.clone()
    loss = cell.softmax_rows(wanted, wanted_target, struck)
    close(triton_kernels.softmax_rows(logits, target, struck), loss)
    close(logits, wanted)
    close(target, wanted_target)


def main() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        for rows, cells in ((1, 1), (3, 5), (7, 300)):
            check_cell(rows, cells, dtype)
        for rows, n in ((1, 1), (3, 7), (4, 5000)):
            check_softmax(rows, n, dtype)


if __name__ == "__main__":
    if device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    from spacy_elmo.pretraining.gpu import triton_kernels

    cell.use_triton = lambda tensor: False
    torch.manual_seed(0)
    main()
