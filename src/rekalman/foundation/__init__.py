"""What everything stands on: refusals, arguments, files and their seals, words for people."""
