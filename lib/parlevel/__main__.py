"""`python -m parlevel`: the command line, where its script is not on the path."""

from parlevel.cli import main

if __name__ == "__main__":
    main()
