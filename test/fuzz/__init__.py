"""Readers given what they were not made for."""
