"""The `picogen` command."""
