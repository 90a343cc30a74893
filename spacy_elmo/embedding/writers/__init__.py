"""Writers of vectors, one file per format; a killed one goes on where it was."""
