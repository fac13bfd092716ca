"""The vendors that the sandbox plays, a file each."""
