"""Why a task or job stands where it stands. Reads only."""
