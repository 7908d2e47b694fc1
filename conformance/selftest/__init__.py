"""Reference networks with planted faults: the suite judged by itself."""
