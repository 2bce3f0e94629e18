"""How an instance is started: as a process or as a container."""
