"""What a command decides: prepared, measured, resumed and noted, without a word printed."""
