"""The kernel of a namespace: programs, sockets, netlink, mounts, settings."""
