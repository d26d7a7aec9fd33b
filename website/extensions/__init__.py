"""The book's own Sphinx extensions, one idea each; _config.yml names this package."""

NAMES = "address citations downloads epub figures offline pages pdf reference".split()


def setup(app):
    for name in NAMES:
        app.setup_extension(f"{__name__}.{name}")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
