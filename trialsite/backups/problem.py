class Problem(Exception):
    """What stops a backup or a restore, in a sentence with the way out."""
