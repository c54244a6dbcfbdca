"""Audits: the gate before publishing, from statistics that staging gathers."""
