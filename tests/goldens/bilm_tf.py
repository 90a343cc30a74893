"""Add the numbers of bilm-tf, the first implementation of ELMo, to `data/`.

Not run by the tests. It was run once, on Python 3.11 in an environment of its own:

    pip install tensorflow-cpu==2.15.1 h5py "numpy<2" && pip install --no-deps bilm==0.1.post5
    python tests/goldens/bilm_tf.py

bilm-tf was written for TensorFlow 1; `tensorflow.compat.v1` takes its place.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

sys.path.insert(0, str(Path(__file__).parent))
from cases import BATCHES, CASES, DATA, MIX_GAMMA, MIX_WEIGHTS

tf.disable_v2_behavior()
sys.modules["tensorflow"] = tf
from bilm import Batcher, BidirectionalLanguageModel, TokenBatcher, weight_layers  # noqa: E402


def main() -> None:
    for name, options in CASES.items():
        tf.reset_default_graph()
        characters = "char_cnn" in options
        weights, vocabulary = str(DATA / f"{name}.hdf5"), str(DATA / "words_vocab.txt")
        model = BidirectionalLanguageModel(
            str(DATA / f"{name}_options.json"),
            weights,
            use_character_inputs=characters,
            embedding_weight_file=None if characters else weights,
        )
        ids = tf.placeholder("int32", shape=(None, None, 50) if characters else (None, None))
        batcher = Batcher(vocabulary, 50) if characters else TokenBatcher(vocabulary)
        layers = model(ids)
        mix = weight_layers("golden", layers, l2_coef=1.0, do_layer_norm=True)["weighted_op"]
        n_layers = options["lstm"]["n_layers"] + 1
        given = {"golden_ELMo_W": MIX_WEIGHTS[:n_layers], "golden_ELMo_gamma": [MIX_GAMMA]}
        variables = {
            variable.name.partition(":")[0]: variable for variable in tf.global_variables()
        }
        begin = tf.global_variables_initializer()
        assign = [variables[key].assign(value) for key, value in given.items()]
        found: dict[str, np.ndarray] = {}
        with tf.Session() as session:
            for state in ("zero", "carry"):
                number = 0
                for batch in BATCHES:
                    if state == "zero" or batch is BATCHES[0]:  # the states are variables too
                        session.run(begin)
                        session.run(assign)
                    ids_given = batcher.batch_sentences(batch)
                    computed, mixed = session.run([layers["lm_embeddings"], mix], {ids: ids_given})
                    for row, words in enumerate(batch):
                        found[f"{state}{number}"] = computed[row, :, : len(words)]
                        if state == "zero" and batch is BATCHES[0]:
                            found[f"mix{number}"] = mixed[row, : len(words)]
                        number += 1
        np.savez(DATA / f"{name}_bilm_tf.npz", **found)


if __name__ == "__main__":
    main()
