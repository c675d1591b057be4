"""How templates are read: a missing variable is an error, and in HTML every text is escaped."""

import jinja2


def environment(package: str, folder: str, *, is_html: bool = True) -> jinja2.Environment:
    """Make what reads the templates of a folder.

    Args:
        package: Dotted name of the package.
        folder: In it.
        is_html: Whether text is escaped; otherwise it is Markdown, whose last newline is kept.

    Returns:
        The environment.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=is_html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
        undefined=jinja2.StrictUndefined,
    )
