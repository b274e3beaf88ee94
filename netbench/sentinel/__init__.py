"""The state of the machine: a short measurement on a trial's pins, and the rule that judges it."""
