"""Predictions in, decision out: statistics, audit, gate, report and registry. Never sees a model."""
