"""Benchmarks: the whole job of vpclogs beside the bare read-and-write of other tools, on the same files."""
