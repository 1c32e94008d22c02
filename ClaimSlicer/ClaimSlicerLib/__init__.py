"""What the four modules share: MRML nodes to arrays and back, the panels' life cycle, the child process."""
