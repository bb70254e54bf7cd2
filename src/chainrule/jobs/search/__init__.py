"""The search for settings of `chainrule train --search`: what is drawn, how it is narrowed down, and where it runs."""
