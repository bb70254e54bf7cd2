"""The job of `chainrule train`, and its report."""
