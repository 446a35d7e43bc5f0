"""A trained filter with its units and labels, its file, its streams; `filter`, `smooth`, `forecast`."""
