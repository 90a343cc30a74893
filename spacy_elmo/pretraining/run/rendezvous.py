"""Where the processes of a group find each other, also after some of them were started anew.

torchrun keeps one store over all restarts (PyTorch 2.13; pytorch/pytorch issue 135712), so that a
process that is started anew may read there the address of one that is gone: it waits for that one
until a timeout. So the processes agree first on a part of the store that nobody has used.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from uuid import uuid4

from torch.distributed import DistError
from torch.distributed.constants import default_pg_timeout
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from spacy_elmo.errors import TrainingError

SECONDS = default_pg_timeout.total_seconds()  # as long as PyTorch's own rendezvous waits
_PAUSE = 0.02
_GROUP = "spacy_elmo/group"


def fresh_store() -> tuple[Store, int, int]:
    """The store that torchrun's environment describes, without what earlier starts left there.

    Returns:
        The store, the number of this process, and how many there are.

    Raises:
        TrainingError: If not all processes have come within `SECONDS`, or the store is gone.
    """
    try:
        store, rank, world = next(rendezvous("env://", timeout=timedelta(seconds=SECONDS)))
        if rank == 0:
            # With this key the processes of NCCL tell each other of an error, whatever the prefix
            # (`kStoreDumpKey` in ProcessGroupNCCL.hpp): left by an earlier start it ends this one.
            store.delete_key("exception_dump")
        return PrefixStore(agree_on_prefix(store, rank, world), store), rank, world
    except DistError as error:
        raise TrainingError(f"the processes do not find each other: {error}") from error


def agree_on_prefix(store: Store, rank: int, world: int, seconds: float = SECONDS) -> str:
    """A name that these processes share, and none before them.

    Every process says in the store who it is. The first one tells all whom it has seen there, again
    and again; who finds itself among these says so; and when all have, the first one says that it
    holds. What is left of earlier starts names others, and a first one that gave up has said
    nothing.

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
    places = [_place(other) for other in range(1, world)]
    while True:
        if rank > 0:
            group = _group(store, _GROUP)
            if group[rank : rank + 1] == [me]:
                store.set(f"{group[0]}/{me}", "")
                if _group(store, f"{group[0]}/holds")[rank : rank + 1] == [me]:
                    return group[0]
        elif store.check(places):
            seen = [store.get(place).decode() for place in places]
            told = json.dumps([me, *seen])
            store.set(_GROUP, told)
            if store.check([f"{me}/{other}" for other in seen]):
                store.set(f"{me}/holds", told)
                return me
        if time.monotonic() > deadline:
            raise TrainingError(
                f"process {rank} of {world} has not met all others within {seconds:.0f} seconds: "
                "see what the others say; torchrun may start them again"
            )
        time.sleep(_PAUSE)


def _group(store: Store, key: str) -> list[str]:
    """The processes that a key names, by their numbers; none where there is no such key."""
    named: list[str] = json.loads(store.get(key)) if store.check([key]) else []
    return named


def _place(rank: int) -> str:
    return f"spacy_elmo/process/{rank}"
