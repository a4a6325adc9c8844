"""The page that learns and paints in a browser: what it runs on, and who serves it."""

from stylegan_cli.web.page_export import built_page, export_page, page_model

__all__ = ["built_page", "export_page", "page_model"]
