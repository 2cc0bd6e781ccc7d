"""The HTTP service over the books: routes by noun, identity, storage. FastAPI, and only here."""
