"""What is known about container images."""
