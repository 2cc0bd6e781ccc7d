"""`python -m culm` is the command `culm`."""

from culm.cli.main import main

if __name__ == "__main__":
    main()
