"""Processes that find each other in a store which earlier ones have used."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from spacy_elmo.errors import TrainingError
from spacy_elmo.pretraining.run.rendezvous import agree_on_prefix


@pytest.mark.parametrize("world", [1, 2, 5])
def test_each_start_has_a_part_of_its_own(world: int) -> None:
    store = HashStore()
    seen = set()
    for start in range(2 * world):
        late = start % world  # each of them comes last once

        def join(rank: int, late: int = late) -> str:
            time.sleep(0.1 * (rank == late))
            return agree_on_prefix(store, rank, world, 30)

        with ThreadPoolExecutor(world) as pool:
            found = set(pool.map(join, range(world)))
        assert len(found) == 1
        seen |= found
    assert len(seen) == 2 * world


def test_of_an_earlier_start_only_some_had_come() -> None:
    store = HashStore()
    for rank in (0, 1):
        with pytest.raises(TrainingError, match=f"process {rank} of 3"):
            agree_on_prefix(store, rank, 3, 0.1)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda rank: agree_on_prefix(store, rank, 3, 30), (2, 1, 0)))
    assert len(set(found)) == 1
