"""What tries to make the gateway lose a row or a cent: servers to stop, lines to cut, loads, and the final count."""
