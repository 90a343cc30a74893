"""Style `layers`: how much of each layer every pipe of a trained pipeline takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.listening.mixing import CONTEXT, OWN
from spacy_elmo.visual.markup import Picture, svg, text
from spacy_elmo.visual.options import LayersOptions
from spacy_elmo.visual.text import cut, escape
from spacy_elmo.visual.theme import level

LABEL, BAR, GAMMA = 150.0, 480.0, 70.0
ROW, THICK = 44.0, 28.0


class PipeMix(NamedTuple):
    """What a pipe weighs.

    Attributes:
        pipe: Its name; with "context", of its mix of the states around.
        shares: Of the layers, the token layer first; they sum to 1.
        gamma: The factor of the whole.
    """

    pipe: str
    shares: tuple[float, ...]
    gamma: float


def draw(nlp: Any, options: LayersOptions) -> list[Picture]:
    """The picture of a pipeline.

    Raises:
        ElmoError: For something else, and where no pipe listens, or one has learned nothing yet.
    """
    mixes = mixes_of(nlp)
    n_layers = max(len(mix.shares) for mix in mixes)
    names = ["token layer", *(f"LSTM layer {k}" for k in range(1, n_layers))]
    title = options.title if options.title is not None else "What each pipe takes of the layers"
    top = 34.0
    parts = [text(0, 14, title, size=16, bold=True)]
    x = LABEL
    for k, name in enumerate(names):
        step = _step(k, n_layers)
        parts.append(
            f'<rect class="elmo-v{step} elmo-line" x="{x:.1f}" y="{top:g}" width="14" height="14" '
            'rx="3"/>'
        )
        parts.append(text(x + 20, top + 12, name, size=12))
        x += 26 + 7.5 * len(name)
    parts.append(text(LABEL + BAR + 16, top + 12, "gamma", look="soft", size=12))
    top += 30
    for number, mix in enumerate(mixes):
        parts += _row(mix, names, top + number * ROW)
    description = " ".join(
        f"{mix.pipe}: "
        + ", ".join(f"{name} {share:.0%}" for name, share in zip(names, mix.shares, strict=False))
        + f", gamma {mix.gamma:.2f}."
        for mix in mixes
    )
    size = (LABEL + BAR + GAMMA, top + ROW * len(mixes) - (ROW - THICK))
    picture = svg(
        parts, size, title=title, description=description, theme=options.theme, scale="blue"
    )
    return [Picture(picture, title)]


def mixes_of(nlp: Any) -> list[PipeMix]:
    """The learned mixes of a pipeline's pipes, in its order.

    Raises:
        ElmoError: For something else, and where no pipe listens, or one has learned nothing yet.
    """
    if not isinstance(nlp, Language):
        raise ElmoError(
            f"style 'layers' shows a pipeline, not a {type(nlp).__name__}: give what spacy.load "
            "returns"
        )
    found = []
    for name, pipe in nlp.components:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            if not isinstance(node, ElmoListener):
                continue
            if not node.has_param("layer_weights"):
                raise ElmoError(
                    f"pipe {name!r} has learned no mix yet: train the pipeline, or load a trained "
                    "one"
                )
            found.append(_mix(node, name, OWN))
            if node.has_param(CONTEXT[0]):
                around = _mix(node, f"{name}, context", CONTEXT)
                # It is over the states around a word: the token layer has none.
                missing = len(found[-1].shares) - len(around.shares)
                found.append(around._replace(shares=(0.0,) * missing + around.shares))
    if not found:
        raise ElmoError(
            "no pipe of this pipeline listens to `elmo`: style 'layers' shows what pipes with "
            "`spacy-elmo.ElmoListener.v1` have learned"
        )
    return found


def _mix(node: ElmoListener, pipe: str, names: tuple[str, str]) -> PipeMix:
    """A mix by the names of its parameters."""
    weights = _numbers(node, names[0])
    shares = np.exp(weights - weights.max())
    return PipeMix(
        pipe, tuple((shares / shares.sum()).tolist()), float(_numbers(node, names[1])[0])
    )


def _numbers(node: ElmoListener, name: str) -> NDArray[np.float64]:
    """A parameter, wherever it lies."""
    values: Any = node.ops
    return np.asarray(values.to_numpy(node.get_param(name)), dtype=np.float64)


def _row(mix: PipeMix, names: Sequence[str], y: float) -> list[str]:
    name = cut(mix.pipe, LABEL - 14, 13)
    parts = [text(LABEL - 12, y + THICK / 2 + 4.5, name, anchor="end", bold=True)]
    x = LABEL
    for k, share in enumerate(mix.shares):
        width, step = BAR * share, _step(k, len(mix.shares))
        if not width:
            continue
        tip = f"<title>{escape(mix.pipe)}: {escape(names[k])} {share:.1%}</title>"
        parts.append(
            f'<rect class="elmo-v{step} elmo-line" x="{x:.1f}" y="{y:.1f}" '
            f'width="{width:.1f}" height="{THICK:g}">{tip}</rect>'
        )
        if width > 34:
            parts.append(
                text(
                    x + width / 2,
                    y + THICK / 2 + 4.5,
                    f"{share:.0%}",
                    anchor="middle",
                    look=f"w{step}",
                    size=12,
                )
            )
        x += width
    parts.append(text(LABEL + BAR + 16, y + THICK / 2 + 4.5, f"{mix.gamma:.2f}"))
    return parts


def _step(layer: int, n_layers: int) -> int:
    """Lower layers lighter, higher ones darker."""
    return level(0.12 + 0.8 * layer / max(n_layers - 1, 1))
