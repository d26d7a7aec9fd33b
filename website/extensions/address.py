"""What depends on the addresses of the repository and of the website.

Without them the book has no buttons to the repository and no site map.
"""

from html import escape
from urllib.parse import urlsplit

BINDER = "https://mybinder.org"
NO_CHAPTERS = ["404.html", "search.html", "py-modindex.html"]


def add_repository_buttons(app, config):
    """Turn on the source, issue and Binder buttons where `repository.url` holds an address."""
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options["use_repository_button"] = known
    options["use_issues_button"] = known
    options["launch_buttons"] = (
        {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"} if known else {}
    )


def find_website(app, config):
    """Take the website's address from html.baseurl, else from GitHub's rule for its pages."""
    repository = urlsplit(config.html_theme_options.get("repository_url") or "")
    if not config.html_baseurl and repository.netloc == "github.com":
        owner, name = repository.path.strip("/").split("/")[:2]
        config.html_baseurl = f"https://{owner}.github.io/{name.removesuffix('.git')}/"
    elif config.html_baseurl:
        config.html_baseurl = config.html_baseurl.rstrip("/") + "/"


def name_pages(app, config):
    """Give search engines a site map, and shared links a page's title and description."""
    if config.html_baseurl:
        app.setup_extension("sphinx_sitemap")
        config.sitemap_url_scheme = "{link}"
        config.sitemap_excludes = NO_CHAPTERS
        app.setup_extension("sphinxext.opengraph")
        config.ogp_site_url = config.html_baseurl
        config.ogp_social_cards = {"enable": False}  # drawn pictures of titles


def write_lost_page(app, config):
    """Write 404.html, whose links start from the website's root: it may answer for any address."""
    config.notfound_urls_prefix = root = urlsplit(config.html_baseurl).path or "/"
    config.notfound_context = {
        "title": "No such page",
        "body": f"""<h1>There is no such page</h1>
        <p>Perhaps the address has a typing error, or the page has moved. The book starts at
        <a href="{root}{config.root_doc}.html">{escape(config.html_title)}</a>; its contents are in
        the sidebar, and the search box finds any word.</p>""",
    }


def setup(app):
    app.setup_extension("notfound.extension")
    app.connect("config-inited", add_repository_buttons)
    app.connect("config-inited", find_website)
    app.connect("config-inited", name_pages)
    app.connect("config-inited", write_lost_page, priority=950)  # after _toc.yml is read
    return {"parallel_read_safe": True, "parallel_write_safe": True}
