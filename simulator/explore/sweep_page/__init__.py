"""The page of a sweep: a frontier to click on, parallel axes, filters, two points side by side, and the table.

`page` writes the document and its data; style and scripts are files beside it, which draw in the browser.
"""

from simulator.explore.sweep_page.page import sweep_page

__all__ = ["sweep_page"]
