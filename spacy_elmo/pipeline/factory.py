"""The factory `elmo`: its default config and its arguments."""

from __future__ import annotations

from typing import Any

from spacy.language import Language
from thinc.api import Config, Model

from spacy_elmo.pipeline.elmo import Elmo
from spacy_elmo.pipeline.listening.upstream import attribute_taken

DEFAULT_CONFIG = """
[elmo]
frozen = true
keep_layers = false
attribute = "elmo"
set_tensor = false
set_hooks = false
center_similarity = true
learn_rate_factor = 1.0
batch_tokens = null
type_cache_size = null
precision = "float32"
cache = null
cache_gb = 4.0
cache_half = false
device = null

[elmo.model]
@architectures = "spacy-elmo.BiLM.v1"
weights = "en_elmo_sm"
options = null
vocab = null
initial_state = null
layer_weights = null
gamma = 1.0
"""
DEFAULT_ELMO = Config().from_str(DEFAULT_CONFIG)["elmo"]


@Language.factory(
    "elmo",
    default_config=DEFAULT_ELMO,
    assigns=[
        *(f"{owner}._.elmo" for owner in ("doc", "span", "token")),
        *(f"{owner}._.elmo_layers" for owner in ("doc", "span", "token")),
        *(f"{owner}._.elmo_vectors" for owner in ("doc", "span")),
    ],
)
def make_elmo(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    frozen: bool,
    keep_layers: bool,
    attribute: str,
    set_tensor: bool,
    set_hooks: bool,
    center_similarity: bool,
    learn_rate_factor: float,
    batch_tokens: int | None,
    type_cache_size: int | None,
    precision: str,
    cache: str | None,
    cache_gb: float,
    cache_half: bool,
    device: str | None,
) -> Elmo:
    """Make an `elmo` component. Opens no weights.

    Every argument but the model is read from the config whenever a pipeline is loaded, so that
    `spacy.load(path, config={"components.elmo.keep_layers": True})` changes it.

    model: The language model, `spacy-elmo.BiLM.v1`.
    frozen: Leave the weights of the language model as they are in training.
    keep_layers: Keep all layers on the Doc (`._.elmo_layers`), not only the mixed vectors.
    attribute: Name of the extension attributes: "elmo" gives `._.elmo`, `._.elmo_vectors`,
        `._.elmo_layers` and `._.elmo_similarity`.
    set_tensor: Put a copy of the vectors into `doc.tensor`, too.
    set_hooks: Make `.vector` and `.similarity` of Docs, spans and tokens use the vectors. Hooks do
        not come back from `nlp.pipe(n_process=2)`: see `spacy_elmo.set_hooks`.
    center_similarity: Subtract the mean vector before a cosine, where the weights carry one.
    learn_rate_factor: What the optimiser's learning rate is multiplied by for the language model,
        when it is not frozen.
    batch_tokens: Bound of the tokens computed together; None: by memory (128 MB of output).
    type_cache_size: Word types whose context-free vector is kept; None: 65,536.
    precision: Float type of the LSTM layers' products: "float32", or for a GPU "bfloat16" (vectors
        are off by 0.3 % of their norm with `en_elmo_sm`) or "float16" (0.03 %). Training the
        language model itself is always done in float32.
    cache: Keep the layers of all texts read since training began, so that only the first epoch
        computes them: "memory", "disk" (a temporary file) or None. For a frozen model only.
    cache_gb: Bound of that cache, in 10^9 bytes. One token takes 4 bytes times layers times width.
    cache_half: Keep it in float16: half the size, with a relative error of up to 5e-4.
    device: A PyTorch device; None: that of Thinc's current ops (`spacy.require_gpu`).

    Raises ValueError for an extension attribute that is taken, by another component or the user.
    """
    for other_name, other in nlp.components:
        if isinstance(other, Elmo) and other.attribute == attribute:
            raise ValueError(attribute_taken(attribute, name, other_name))
    return Elmo(
        nlp.vocab,
        model,
        name,
        frozen=frozen,
        keep_layers=keep_layers,
        attribute=attribute,
        set_tensor=set_tensor,
        set_hooks=set_hooks,
        center_similarity=center_similarity,
        learn_rate_factor=learn_rate_factor,
        batch_tokens=batch_tokens,
        type_cache_size=type_cache_size,
        precision=precision,
        cache=cache,
        cache_gb=cache_gb,
        cache_half=cache_half,
        device=device,
    )
