"""A copy of the whole desk in one folder, taken while it runs, and the way back from it.

`taking` and `restoring` are the two use cases; the other modules are what both need. See
"Backup and restore" in docs/operations.md.
"""
