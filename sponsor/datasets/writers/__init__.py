"""How the rows of a package become files: one module a format, none of them knows the study or the database."""
