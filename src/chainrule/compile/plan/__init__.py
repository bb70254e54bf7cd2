"""From a program to machine code that is bound to memory."""
