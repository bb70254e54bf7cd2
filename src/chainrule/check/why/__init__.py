"""Why a gradient is wrong, and where."""
