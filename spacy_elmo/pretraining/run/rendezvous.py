"""Where the processes of a group find each other, also after some of them were started anew.

torchrun keeps one store over all restarts (PyTorch 2.13; pytorch/pytorch issue 135712), so that a
process that is started anew may read there the address of one that is gone: it waits for that one
until a timeout. So the processes agree first on a part of the store that nobody has used.
"""

from __future__ import annotations

import json
import time
from uuid import uuid4

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from spacy_elmo.errors import TrainingError

SECONDS = 300.0
_PAUSE = 0.02
_GROUP = "spacy_elmo/group"


def fresh_store() -> tuple[Store, int, int]:
    """The store that torchrun's environment describes, without what earlier starts left there.

    Returns:
        The store, the number of this process, and how many there are.

    Raises:
        TrainingError: If not all processes have come within `SECONDS`.
    """
    store, rank, world = next(rendezvous("env://"))
    return PrefixStore(agree_on_prefix(store, rank, world), store), rank, world


def agree_on_prefix(store: Store, rank: int, world: int, seconds: float = SECONDS) -> str:
    """A name that these processes share, and none before them.

    Every process says in the store who it is. The first one tells all whom it has seen there, again
    and again, until each has found itself among these and said so: what is left of an earlier
    start names others.

    Args:
        store: The same in all processes; may hold what earlier calls left.
        rank: Number of this process.
        world: Number of processes.
        seconds: How long to wait for the others.

    Raises:
        TrainingError: If they have not come by then.
    """
    me = uuid4().hex
    deadline = time.monotonic() + seconds
    store.set(_place(rank), me)
    others = range(1, world)
    while True:
        if rank == 0:
            if store.check([_place(other) for other in others]):
                seen = [store.get(_place(other)).decode() for other in others]
                store.set(_GROUP, json.dumps([me, *seen]))
            if store.check([f"{me}/{other}" for other in others]):
                return me
        elif store.check([_GROUP]):
            group: list[str] = json.loads(store.get(_GROUP))
            if len(group) == world and group[rank] == me:
                store.set(f"{group[0]}/{rank}", "")
                return group[0]
        if time.monotonic() > deadline:
            raise TrainingError(
                f"process {rank} of {world} has not met all others within {seconds:.0f} seconds: "
                "see what the others say; torchrun may start them again"
            )
        time.sleep(_PAUSE)


def _place(rank: int) -> str:
    return f"spacy_elmo/process/{rank}"
