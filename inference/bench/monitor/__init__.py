"""What the live queue costs a web process while staff watch it."""
