"""Weights: functions of demand, queue and view; more is better. Formulas name their source."""
