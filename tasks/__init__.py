"""The domain: tasks, datasets, files, jobs, and every rule about them."""
