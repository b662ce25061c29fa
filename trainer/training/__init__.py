"""From rows of a data set to a network that can be exported."""
