"""The weights files of AllenNLP and bilm-tf, and the files beside them."""
