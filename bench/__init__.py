"""Benchmarks: ours, the floor and the machine's limits, as ratios of one run."""
