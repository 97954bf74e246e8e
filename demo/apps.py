from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Its only face is the command `demo`: it has no tables and no pages of its own."""

    name = "demo"
