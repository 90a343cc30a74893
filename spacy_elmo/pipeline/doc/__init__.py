"""What the component reads from a Doc, and what it keeps on one."""
