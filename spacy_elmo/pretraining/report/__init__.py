"""What a training tells and leaves behind."""
