"""From labelled images to the rows of a data set."""
