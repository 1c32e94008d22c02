"""``python -m claimslicer.worker``."""

from claimslicer.worker.serve import main

if __name__ == "__main__":
    main()
