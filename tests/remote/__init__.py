"""Libraries behind a network, against real servers."""
