"""The networks of the chapters, each a program that opens the explorer."""
