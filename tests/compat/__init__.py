"""What an earlier version wrote, as small files: the present one must read it."""
