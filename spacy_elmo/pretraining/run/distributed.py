"""Several processes that train one model: started by `torchrun`, rows divided among them.

Every process makes the same plan of a step (same sentences, same negatives), computes its own rows,
and adds its gradients to the others'. One process alone needs none of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def usable_device(name: str | None) -> str:
    """A device to compute on; None: a GPU if there is one.

    Raises:
        ValueError: For anything but "cpu" and "cuda", and for "cuda" where there is none.
    """
    available = torch.cuda.is_available()
    if name not in (None, "cpu", "cuda"):
        raise ValueError(f"device is {name!r}: expected cpu or cuda")
    if name == "cuda" and not available:
        raise ValueError("device is 'cuda', but PyTorch finds no GPU here: use cpu")
    return name or ("cuda" if available else "cpu")


class Group:
    """The processes of a run; by itself it stands for one process alone.

    Args:
        rank: Number of this process.
        world: Number of processes.
        device: Where this process computes.
    """

    def __init__(self, rank: int = 0, world: int = 1, device: str | torch.device = "cpu") -> None:
        self.rank = rank
        self.world = world
        self.device = torch.device(device)

    @classmethod
    def join(cls, device: str | None = None) -> Group:
        """Join the group that torchrun's environment describes, or stand alone without one.

        Args:
            device: "cpu", "cuda", or None: a GPU if there is one.

        Raises:
            ValueError: For another device, and for "cuda" where there is none.
            TrainingError: If the other processes do not come.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        kind = usable_device(device)
        if kind == "cuda":
            kind = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
            torch.cuda.set_device(kind)
        if world == 1:
            return cls(device=kind)
        # Imported here: some builds of PyTorch have no distributed part, and need none.
        from spacy_elmo.pretraining.run.rendezvous import fresh_store

        store, rank, world = fresh_store()
        # gloo moves what stands in the host's memory (decisions, states), NCCL the gradients.
        backend = "cpu:gloo,cuda:nccl" if "cuda" in kind else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world)
        return cls(rank, world, kind)

    @property
    def leads(self) -> bool:
        """Whether this process logs, evaluates and writes."""
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all processes."""
        if self.world == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def agree(self, values: Sequence[float]) -> list[float]:
        """The first process's numbers, in every process."""
        if self.world == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return shared.tolist()

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """Everybody's rows, the last axis, side by side. The shares may differ in size."""
        if self.world == 1:
            return tensor
        parts: list[Tensor | None] = [None] * self.world
        distributed.all_gather_object(parts, tensor.cpu())
        return torch.cat([part for part in parts if part is not None], dim=-1)

    def rows(self, n_rows: int) -> slice:
        """This process's share of rows."""
        return slice(self.rank * n_rows // self.world, (self.rank + 1) * n_rows // self.world)

    def leave(self) -> None:
        """Wait for the others and close.

        Not after an error: the others wait elsewhere then, and torchrun ends them.
        """
        if self.world > 1:
            distributed.barrier()
            distributed.destroy_process_group()
