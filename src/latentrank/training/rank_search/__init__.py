"""Automatic rank selection while a model is trained."""
