"""Stage report: everything on one page."""
