"""``python -m claimslicer`` is the command ``claim-slicer``."""

from claimslicer.cli.main import main

if __name__ == "__main__":
    main()
