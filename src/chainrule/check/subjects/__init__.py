"""What can be checked: functions, layers, networks."""
