"""The scripts of the original implementations are not collected: what they import is not here."""

collect_ignore = ["bilm_tf.py", "allennlp_elmo.py"]
