"""A training's progress for people: a bar where somebody watches, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

from spacy_elmo.pretraining.perplexity.exact import perplexity_of
from spacy_elmo.pretraining.report.metrics import describe, time_left
from spacy_elmo.pretraining.run.events import (
    Event,
    Measured,
    Message,
    Phase,
    RolledBack,
    Started,
    Step,
    Stopped,
    Written,
)


class Progress:
    """Tells the events of a training on standard error: a bar if tqdm is installed, else lines.

    Where that fails it falls silent, and the training goes on.

    Args:
        seconds: Between two plain lines.
    """

    def __init__(self, *, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self.last = time.monotonic()
        self.heldout: dict[str, str] = {}
        self.bar: Any = None
        self.failed = False
        if sys.stderr is not None and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            layout = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
            self.bar = tqdm(total=1.0, bar_format=layout)

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        if self.failed:
            return
        try:
            self._tell(event)
        except (OSError, ValueError):  # nobody reads any more, or a character cannot be shown
            self.failed = True

    def _tell(self, event: Event) -> None:
        if isinstance(event, Step):
            self._update(event)
            return
        if isinstance(event, Measured) and event.state is None:
            self.heldout = {"held-out": f"{event.perplexity.average:.1f}"}
        if isinstance(event, Phase | Stopped | Written):
            self._close()
        line = _line(event)
        if line is not None:
            self._say(line)

    def _update(self, event: Step) -> None:
        numbers = {
            "tokens": f"{event.tokens:,}",
            "tokens/s": f"{event.tokens_per_second:,.0f}",
            "perplexity (sampled)": f"{perplexity_of(sum(event.loss) / len(event.loss)):.1f}",
            **self.heldout,
            "left": time_left(event.seconds, event.share),
        }
        if self.bar is not None:
            self.bar.n = min(event.share, 1.0)
            self.bar.set_postfix(numbers)
        elif time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            shown = " ".join(f"{name} {value}" for name, value in numbers.items())
            self._say(f"{event.share:7.2%}  step {event.step}  {shown}")

    def _say(self, line: str) -> None:
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _line(event: Event) -> str | None:
    """An event in words, or None if it is not worth a line."""
    if isinstance(event, Started) and event.resumed:
        return f"Going on from step {event.step}, {event.tokens:,} tokens"
    if isinstance(event, Measured):
        state = "" if event.state is None else f"sentences from the {event.state} state: "
        return f"step {event.step}, {event.tokens:,} tokens: {state}{describe(event.perplexity)}"
    if isinstance(event, RolledBack):
        return (
            f"The loss is no finite number at step {event.bad_step}: back to step {event.step}, "
            f"and on from there with {event.factor:g} times the learning rate"
        )
    if isinstance(event, Phase):
        return f"Last phases: {event.name}"
    if isinstance(event, Stopped):
        return f"Stopped at step {event.step}: run the same command to go on"
    if isinstance(event, Written):
        return f"Wrote {event.path}"
    return event.text if isinstance(event, Message) else None
