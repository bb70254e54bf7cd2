"""From a program to machine code bound to memory."""
