"""Brokerage under a virtual clock: worlds, workloads, policies, what comes out. Pure, as all of
`broker`: time is simulated, chance is a `random.Random` that the caller passes in.
"""
