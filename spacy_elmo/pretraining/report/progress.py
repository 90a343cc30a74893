"""A training's progress for people: a bar where somebody watches, else a line now and then."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from spacy_elmo.pretraining.perplexity.exact import perplexity_of
from spacy_elmo.pretraining.report.meter import time_left
from spacy_elmo.pretraining.report.metrics import describe
from spacy_elmo.pretraining.run.events import (
    Advanced,
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

# Seconds until the first plain line, and between two looks of the bar.
FIRST_LINE = 2.0
REDRAWN = 0.1


class Progress:
    """Tells the events of a training on standard error: a bar if tqdm is installed, else lines.

    Where that fails it falls silent, and the training goes on. A context, at whose end the bar is
    closed.

    Args:
        seconds: Between two plain lines.
    """

    def __init__(self, *, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self.due = time.monotonic() + min(seconds, FIRST_LINE)
        self.heldout: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.at: Advanced | None = None
        self.bar: Any = None
        self.failed = False

    def __enter__(self) -> Progress:
        """Nothing but this object."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the bar, also after an error."""
        self.close()

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        if self.failed:
            return
        try:
            self._tell(event)
        except (OSError, ValueError):  # nobody reads any more, or a character cannot be shown
            self.failed = True

    def close(self) -> None:
        """Leave the bar where it is; what is told from now on is lines."""
        if self.bar is not None:
            with suppress(OSError, ValueError):
                self.bar.close()
            self.bar = None

    def _tell(self, event: Event) -> None:
        if isinstance(event, Step):
            self.numbers = {
                "tokens/s": f"{event.tokens_per_second:,.0f}",
                "perplexity (sampled)": f"{perplexity_of(sum(event.loss) / len(event.loss)):.1f}",
            }
            self._update(Advanced(event.step, event.tokens, event.seconds, event.share))
            return
        if isinstance(event, Advanced):
            self._update(event)
            return
        if isinstance(event, Measured) and event.state is None:
            self.heldout = {"held-out": f"{event.perplexity.average:.1f}"}
        if isinstance(event, Phase):
            self._end()
        if isinstance(event, Phase | Stopped | Written):
            self.close()
        line = _line(event)
        if line is not None:
            self._say(line)
        if isinstance(event, Started) and event.share < 1.0:
            self.due = time.monotonic() + min(self.seconds, FIRST_LINE)
            self.bar = _bar()

    def _update(self, at: Advanced) -> None:
        self.at = at
        now = time.monotonic()
        if now < self.due:
            return
        if self.bar is not None:
            self.due = now + REDRAWN
            self._draw(at)
        else:
            self.due = now + self.seconds
            self._say_where(at)

    def _end(self) -> None:
        """All steps are taken: say so, where it is not said yet."""
        if self.at is None:
            return
        at, self.at = replace(self.at, share=1.0), None
        if self.bar is not None:
            self._draw(at)
        else:
            self._say_where(at)

    def _draw(self, at: Advanced) -> None:
        self.bar.n = min(at.share, 1.0)
        self.bar.set_postfix(self._shown(at))

    def _say_where(self, at: Advanced) -> None:
        shown = " ".join(f"{name} {value}" for name, value in self._shown(at).items())
        self._say(f"{at.share:7.2%}  step {at.step}  {shown}")

    def _shown(self, at: Advanced) -> dict[str, str]:
        tokens, left = f"{at.tokens:,}", time_left(at.seconds, at.share)
        return {"tokens": tokens, **self.numbers, **self.heldout, "left": left}

    def _say(self, line: str) -> None:
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


def _bar() -> Any:
    """A bar where somebody watches, and tqdm is installed."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    # Without the time left that tqdm makes out: it knows nothing of the budget, nor of a start
    # from a checkpoint.
    return tqdm(total=1.0, bar_format="{percentage:3.0f}%|{bar}| {elapsed} {postfix}")


def _line(event: Event) -> str | None:
    """An event in words, or None if it is not worth a line."""
    if isinstance(event, Started):
        if not event.resumed:
            return "Training begins"
        at = f"step {event.step}, {event.tokens:,} tokens"
        if event.share >= 1.0:
            return f"The budget is used up at {at}: nothing is left to train but the last phases"
        return f"Going on from {at}, {event.share:.0%} of the budget"
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
