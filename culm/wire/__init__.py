"""Messages between client, server and pilot: frozen dataclasses, standard library only."""
