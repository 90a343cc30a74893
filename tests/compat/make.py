"""Make the files of `data/` with the version of spacy_elmo that is imported.

They are committed and never made again: they stand for what users have. To add a kind of file, run
this with the version that files of that kind have to come from, and keep what is new:

    PYTHONPATH=CHECKOUT python tests/compat/make.py OUT

`made_with.json` says which version and commit that was, and with which libraries. What this script
calls is the public API and the commands, which are the same in every version.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import DocBin, Span
from spacy.training import Example

import spacy_elmo
from spacy_elmo import BiLM
from spacy_elmo.bilm import BiLMConfig
from spacy_elmo.bilm.task_mix import TaskMix

TEXTS = (
    "The bank raised its rates . They sat on the river bank !",
    "Zoë  likes 日本 and an extraordinarily-long-word .\n\nThey bank on it ?",
)
SENTENCES = [text.split() for text in TEXTS]
TAGGED = [
    ("The bank raised rates .", ["D", "N", "V", "N", "P"]),
    ("A river bank", ["D", "N", "N"]),
    ("They bank on it", ["R", "V", "I", "R"]),
]
# Sense of the word "bank".
SENSES = [
    ("The bank raised its rates .", "money"),
    ("They bank on it .", "trust"),
    ("They sat on the river bank !", "river"),
    ("A bank of the river", "river"),
]
CHAR_CNN = {"embedding_dim": 2, "filters": [[1, 2], [2, 3], [3, 3]], "n_highway": 1}
NETWORK = {
    "lstm_dim": 6,
    "projection_dim": 4,
    "n_layers": 2,
    "cell_clip": 3.0,
    "proj_clip": 3.0,
    "char_cnn": CHAR_CNN,
}
COMMON = {"batch_size": 4, "unroll_steps": 5, "learning_rate": 0.02, "log_every": 1}
COMMON |= {"tokens": 800, "checkpoint_seconds": 1e6, "warmup_steps": 3}
# Together they have every kind of state that a checkpoint holds.
TRAININGS: dict[str, dict[str, Any]] = {
    "adamw": {"n_negative_samples": 6, "dropout": 0.1, "reset_probability": 0.2},
    "adagrad": {
        "recipe": "bilm-tf",
        "n_negative_samples": 6,
        "learning_rate": 0.2,
        "schedule": "constant",
    },
    "words": {
        "model": {"char_cnn": None},
        "share_embedding_softmax": True,
        "n_negative_samples": 6,
        "order": "sentences",
        "weight_decay": 0.01,
    },
}


def random_bilm(seed: int) -> BiLM:
    """A network with random weights."""
    torch.manual_seed(seed)
    lm = BiLM(BiLMConfig.from_dict(NETWORK))
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.mul_(2.0).add_(torch.randn_like(parameter) * 0.1)
    return lm


def make_weights(out: Path) -> None:
    """A native directory, HDF5 with options, and HDF5 of words; what each gives."""
    lm = random_bilm(1)
    lm.warm_up(SENTENCES)
    lm.initial_state = "warm"
    lm.mean_layers = torch.randn(lm.config.n_outputs, lm.config.width)
    lm.save(out / "native")
    (out / "hdf5").mkdir()
    lm.save(out / "hdf5" / "tiny_weights.hdf5")
    for name in ("native", "hdf5/tiny_weights.hdf5"):
        layers = BiLM.from_pretrained(out / name, initial_state="zero").encode(SENTENCES)
        warm = BiLM.from_pretrained(out / name, initial_state="warm").encode(SENTENCES)
        stem = name.split("/")[0]
        np.savez(out / f"{stem}.npz", *layers, *warm, lm.mean_layers.numpy())


def make_many_langs(out: Path) -> None:
    """A native directory with the token layer of ELMoForManyLangs, and what it gives."""
    sizes = {
        "word_dim": 2,
        "char_dim": 2,
        "characters": "abehknrstZë日",
        "filters": [[1, 2], [2, 3]],
    }
    sizes |= {"activation": "relu", "n_highway": 1, "max_characters_per_token": 9}
    words = ["<oov>", "<bos>", "<eos>", "<pad>", "The", "bank", "日本", "\u3000"]
    network = {**NETWORK, "char_cnn": None, "n_words": len(words), "many_langs": sizes}
    torch.manual_seed(3)
    lm = BiLM(BiLMConfig.from_dict(network), words)
    lm.save(out / "many_langs")
    np.savez(out / "many_langs.npz", *BiLM.from_pretrained(out / "many_langs").encode(SENTENCES))


def make_mixes(out: Path) -> None:
    """A native directory of weights that come with the mixes of a task."""
    lm = random_bilm(5)
    lm.task_mixes = (TaskMix((0.25, 0.25, 0.5), 1.5), TaskMix((0.0, 1.0, 0.0), 0.5, True))
    lm.save(out / "mixes")


def make_pipeline(folder: Path, frozen: bool) -> Language:
    """A pipeline whose tagger listens, trained for a few steps."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.tokenizer = Tokenizer(nlp.vocab)  # the usual rules are half of a saved pipeline's size
    nlp.add_pipe("sentencizer")
    settings = {"model": {"weights": str(folder)}, "frozen": frozen, "keep_layers": True}
    nlp.add_pipe("elmo", config=settings)
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1", "projection": 6}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False}
    nlp.add_pipe("tagger", config={"model": {**model, "tok2vec": listener}})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"words": text.split(), "tags": tags})
        for text, tags in TAGGED
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    return nlp


def make_pipelines(out: Path) -> None:
    """Saved pipelines, one with the language model as it was and one that trained it along."""
    random_bilm(2).save("weights")
    for name, frozen in (("frozen", True), ("tuned", False)):
        nlp = make_pipeline(Path("weights"), frozen)
        nlp.to_disk(out / name)
        figures: dict[str, Any] = {}
        for number, doc in enumerate(nlp.pipe(TEXTS)):
            figures[f"vectors{number}"] = doc._.elmo_vectors
            figures[f"layers{number}"] = doc._.elmo_layers
            figures[f"scores{number}"] = nlp.get_pipe("tagger").predict([doc])[0]
            figures[f"similarity{number}"] = doc[1]._.elmo_similarity(doc[4])
        np.savez(out / f"{name}.npz", **figures)


def make_senses(out: Path) -> None:
    """A pipeline that tells senses apart, and keeps the states around each token."""
    random_bilm(6).save("weights_of_senses")
    nlp = spacy.blank("xx")
    nlp.tokenizer = Tokenizer(nlp.vocab)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo", config={"model": {"weights": "weights_of_senses"}, "context": True})
    nlp.add_pipe("elmo_senses")
    examples = []
    for text, sense in SENSES:
        doc = nlp.make_doc(text)
        (place,) = (token.i for token in doc if token.text == "bank")
        doc.spans["senses"] = [Span(doc, place, place + 1, label=sense)]
        examples.append(Example(nlp.make_doc(text), doc))
    nlp.initialize(lambda: examples)
    nlp.to_disk(out / "senses")
    figures: dict[str, Any] = {}
    for number, doc in enumerate(nlp.pipe(TEXTS)):
        group = doc.spans["senses"]
        figures[f"context{number}"] = np.stack([token._.elmo_context for token in doc])
        figures[f"labels{number}"] = np.array([span.label_ for span in group])
        figures[f"scores{number}"] = group.attrs["scores"]
    np.savez(out / "senses.npz", **figures)


def make_docs(out: Path) -> None:
    """Docs as spaCy's users keep them: a DocBin, and pickled with and without hooks."""
    nlp = spacy.load(out / "frozen")
    DocBin(docs=nlp.pipe(TEXTS), store_user_data=True).to_disk(out / "docs.spacy")
    for name, hooks in (("docs", False), ("docs_with_hooks", True)):
        override = {"components.elmo.set_hooks": hooks}
        docs = list(spacy.load(out / "frozen", config=override).pipe(TEXTS))
        (out / f"{name}.pickle").write_bytes(pickle.dumps(docs))
    # Here the layers for the tagger that does not run are still on the Doc.
    with nlp.select_pipes(disable="tagger"):
        (out / "docs_before_tagger.pickle").write_bytes(pickle.dumps(list(nlp.pipe(TEXTS))))
    doc = spacy.load(out / "frozen", config={"components.elmo.set_hooks": True})(TEXTS[0])
    hooks_give = {"vector": doc.vector, "token": doc[1].vector, "span": doc[2:4].vector}
    np.savez(out / "hooks.npz", similarity=doc[1].similarity(doc[10]), **hooks_give)


def make_corpus(out: Path) -> None:
    """A prepared corpus of raw text."""
    words = ("the cat sees a dog", "my friend likes the bank", "a bank finds it", "Zoë sees 日本")
    ends = (".", "!", "in the house .", "near the river ?")
    text = "\n".join(f"{start} {end}" for start in words for end in ends)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "text.txt").write_text(text * 5 + "\n", encoding="utf8")
        command(["prepare", f"{work}/text.txt", str(out / "corpus"), "--tokenized"])


def make_training(out: Path, name: str) -> None:
    """A training stopped on its way, and what it came to in the end."""
    folder = out / "trainings" / name
    folder.mkdir(parents=True)
    settings = {**COMMON, **TRAININGS[name]}
    settings["model"] = {**NETWORK, **settings.get("model", {})}
    config = folder / "config.json"
    config.write_text(json.dumps(settings, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as work:
        through, stopped = Path(work) / "through", folder / "stopped"
        arguments = ["pretrain", str(out / "corpus"), "--config", str(config)]
        command([arguments[0], arguments[1], str(through), *arguments[2:]])
        steps = count_lines(through / "training" / "log.jsonl")
        for _ in range(50):
            stop_on_the_way([arguments[0], arguments[1], str(stopped), *arguments[2:]], stopped)
            done = count_lines(stopped / "training" / "log.jsonl")
            if steps / 4 < done < 3 * steps / 4 and not (stopped / "config.json").exists():
                break
            shutil.rmtree(stopped)
        else:
            raise SystemExit(f"{name}: never stopped in the middle of {steps} steps")
        *old, _ = sorted((stopped / "training" / "checkpoints").glob("*.safetensors"))
        for path in old:
            path.unlink()
        for file in ("config.json", "vocab.txt", "weights.safetensors", "softmax.safetensors"):
            (folder / "end").mkdir(exist_ok=True)
            shutil.copy2(through / file, folder / "end")
    print(f"{name}: stopped after {done} of {steps} steps")


def stop_on_the_way(arguments: Sequence[str], folder: Path) -> None:
    """Start a training and ask it to stop when it has taken some steps."""
    process = subprocess.Popen([sys.executable, "-m", "spacy_elmo", *arguments], env=environment())
    while process.poll() is None and count_lines(folder / "training" / "log.jsonl") < 12:
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    process.wait()


def count_lines(path: Path) -> int:
    """Lines of a file; 0 where there is none."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def environment() -> dict[str, str]:
    """One thread: several sum up in another order."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def command(arguments: Sequence[str]) -> None:
    """Run a command of spacy-elmo."""
    subprocess.run([sys.executable, "-m", "spacy_elmo", *arguments], env=environment(), check=True)


def main() -> None:
    """Make all of it."""
    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # the saved configs name the weights by a path that is there no longer
        make_weights(out)
        make_many_langs(out)
        make_mixes(out)
        make_pipelines(out)
        make_senses(out)
        make_docs(out)
        make_corpus(out)
        for name in TRAININGS:
            make_training(out, name)
        os.chdir(out)
    checkout = Path(spacy_elmo.__file__).resolve().parents[1]
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    made_with = {"spacy_elmo": spacy_elmo.__version__, "commit": commit or "unknown"}
    made_with |= {name: version(name) for name in ("spacy", "thinc", "torch", "numpy")}
    (out / "made_with.json").write_text(json.dumps(made_with, indent=1) + "\n")


if __name__ == "__main__":
    main()
