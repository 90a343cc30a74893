"""What is counted while a corpus is prepared."""

COUNTS = {
    "documents": "documents read from .spacy files",
    "lines": "lines read",
    "empty_lines": "empty lines left out",
    "undecodable_bytes": "undecodable bytes replaced by U+FFFD",
    "cut_lines": "cuts within lines of more than a megabyte",
    "cut_runs": "runs of more than 1,000 characters without a space cut",
    "boundary_symbols": "tokens <S> and </S> left out",
    "line_breaks": "tokens with a line break, which became a space",
}
"""What `corpus.json` counts besides its sizes, and what that means."""
READ = ("documents", "lines")
"""Those of them that count what was read; the others what was left out or repaired."""
