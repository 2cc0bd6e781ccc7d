"""`python -m pilot`, and the entry point of `pilot.pyz`."""

from pilot.command import app


def main() -> None:
    """Run the pilot's command."""
    app(prog_name="pilot")


if __name__ == "__main__":
    main()
