"""Processes that find each other in a store which earlier ones have used."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from spacy_elmo.errors import TrainingError
from spacy_elmo.pretraining.run import rendezvous as module
from spacy_elmo.pretraining.run.rendezvous import agree_on_prefix, fresh_store


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


def test_the_first_one_gives_up_after_some_have_found_themselves() -> None:
    store = HashStore()
    with ThreadPoolExecutor(3) as pool:  # an earlier start, whole
        list(pool.map(lambda rank: agree_on_prefix(store, rank, 3, 30), range(3)))
    with ThreadPoolExecutor(4) as pool:
        last = pool.submit(agree_on_prefix, store, 2, 3, 30)
        first = pool.submit(agree_on_prefix, store, 0, 3, 0.3)
        with pytest.raises(TrainingError, match="process 0 of 3"):
            first.result()
        assert not last.done()
        again = [pool.submit(agree_on_prefix, store, rank, 3, 30) for rank in (0, 1)]
        assert len({one.result() for one in (last, *again)}) == 1


def test_a_group_of_another_size() -> None:
    store = HashStore()
    for world in (3, 2, 4):
        with ThreadPoolExecutor(world) as pool:
            places = [pool.submit(agree_on_prefix, store, k, world, 30) for k in range(world)]
            assert len({place.result() for place in places}) == 1


def test_nobody_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": 1, "WORLD_SIZE": 2}
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr(module, "SECONDS", 1.0)
    with pytest.raises(TrainingError, match="do not find each other"):
        fresh_store()
