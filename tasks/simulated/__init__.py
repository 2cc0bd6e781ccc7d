"""Our own books in the simulator's words: what was done, and the queues as they are."""
