"""Files of other people's formats."""
