"""Libraries on another host that runs an SSH server: nothing of ours is installed there."""
