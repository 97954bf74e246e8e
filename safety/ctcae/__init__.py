"""CTCAE 5.0 and 6.0: its terms with Chinese names, a search, and what stands for what between the versions."""
