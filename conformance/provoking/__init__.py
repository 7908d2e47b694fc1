"""What scenarios work with: the context of a recording, paths, ports, traffic, patched links, silence."""
