"""A corpus to files of vectors, on one machine or many, and static vectors out of contexts."""
