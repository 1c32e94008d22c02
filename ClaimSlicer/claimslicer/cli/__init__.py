"""The command ``claim-slicer``: one file per command, thin over the library."""
