"""The one idea, and its one class: a filter is a recursion on a belief."""
