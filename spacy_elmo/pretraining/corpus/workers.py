"""The processes of `prepare`: blocks in, segmented blocks out, in the same order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from spacy_elmo.pretraining.corpus.segmentation import Segmented, Segmenter, Settings
from spacy_elmo.text.reading import Block

Result = tuple[list[Segmented], Counter[str]]

_segmenter: Segmenter  # one per worker process


def segment_blocks(
    blocks: Iterable[Block], settings: Settings, n_process: int = 1
) -> Iterator[Result]:
    """Segment blocks, in order, holding a few per process at a time.

    Args:
        blocks: The blocks.
        settings: How to segment them.
        n_process: Processes; 1 works in this process, -1 takes as many as there are cores.

    Yields:
        Per block its sentences, and counts of what was read, dropped and repaired.

    Raises:
        ValueError: For an unusable `n_process`.
        ChildProcessError: If a worker dies.
    """
    if n_process == -1:
        n_process = os.cpu_count() or 1
    if n_process < 1:
        raise ValueError(f"the number of processes must be at least 1 (or -1), not {n_process}")
    if n_process == 1:
        yield from map(Segmenter(settings), blocks)
        return
    # Not forked: the threads of an already loaded PyTorch would not survive it.
    executor = ProcessPoolExecutor(
        n_process, multiprocessing.get_context("spawn"), _start_worker, (settings,)
    )
    waiting: deque[Future[Result]] = deque()
    try:
        for block in blocks:
            waiting.append(executor.submit(_segment, block))
            if len(waiting) > 3 * n_process:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a worker process died (killed, or out of memory?); try fewer processes"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker(settings: Settings) -> None:
    global _segmenter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends its workers itself
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _segmenter = Segmenter(settings)


def _end_with_parent() -> None:
    """A worker waiting for work would not notice that its parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _segment(block: Block) -> Result:
    return _segmenter(block)
