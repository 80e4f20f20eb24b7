"""How to put a widget on a page: the steps and the code for each kind of site."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of one widget: HTML with a script, an iframe, and the values that other codes are made of.

    `support_email`: whom customers ask for our plugin and component, or "".
    """

    base_url: str
    token: str
    html: str
    frame: str
    support_email: str = ""

    @property
    def us(self) -> str:
        return f"us ({self.support_email})" if self.support_email else "us"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to embed the widget. `code_name`: what its copy button calls the code. `note`: what to know, or ""."""

    steps: tuple[str, ...]
    code_name: str
    code: str
    note: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """`key`: part of the ids on the page."""

    key: str
    name: str
    ways: tuple[Way, ...]


_NO_STYLE = "The <style> part keeps your page still while the feed loads. The feed also works without it."


def platforms(codes: Codes) -> tuple[Platform, ...]:
    """Plain HTML first, then by how common they are, and the iframe for everything else."""
    return (
        Platform("html", "HTML", (_html(codes),)),
        Platform("wordpress", "WordPress", (_wordpress_plugin(codes), _wordpress_block(codes))),
        Platform("shopify", "Shopify", (_shopify(codes),)),
        Platform("wix", "Wix", (_wix_embed(codes), _wix_element(codes))),
        Platform("squarespace", "Squarespace", (_squarespace(codes),)),
        Platform("webflow", "Webflow", (_webflow(codes),)),
        Platform("react", "React", (_react(codes),)),
        Platform("iframe", "Iframe", (_iframe(codes),)),
    )


def _html(codes: Codes) -> Way:
    steps = ("Open the page's HTML.", "Paste the code where the feed should appear.", "Publish the page.")
    return Way(steps, "HTML code", codes.html, _NO_STYLE)


def _wordpress_plugin(codes: Codes) -> Way:
    return Way(
        (
            f"Ask {codes.us} for the plugin's zip file.",
            "In WordPress, choose Plugins, Add Plugin, then Upload Plugin. Install and activate the plugin.",
            "Edit the page, add a Shortcode block, and paste the shortcode.",
            "Update or publish the page.",
        ),
        "shortcode",
        f'[instagram_feed token="{codes.token}" url="{codes.base_url}"]',
        "There is also a block, Instagram Feed. The plugin uses the URL only in posts of users with the right to use "
        "unfiltered HTML. For other users, define INSTAGRAM_FEED_URL in wp-config.php. On WordPress.com, plugins need "
        "a plan that includes them.",
        "With our plugin",
    )


def _wordpress_block(codes: Codes) -> Way:
    return Way(
        (
            "Edit the page and add a Custom HTML block.",
            "Paste the code into the block.",
            "Update or publish the page.",
        ),
        "code for a Custom HTML block",
        codes.html,
        "WordPress removes scripts from blocks of users without the right to use unfiltered HTML. If the code is gone "
        "after saving, use the plugin or ask an administrator.",
        "Without a plugin",
    )


def _shopify(codes: Codes) -> Way:
    return Way(
        (
            "Under Online Store, Themes, choose Edit theme (Customize in older versions).",
            "Open the page's template, choose Add section, then Custom Liquid.",
            "Paste the code into the Custom Liquid field and save.",
        ),
        "Custom Liquid code",
        codes.html,
        "Themes from Online Store 2.0 on have Custom Liquid sections. If your theme has none, add the code to a page: "
        "edit the page and choose Show HTML (<>).",
    )


def _wix_embed(codes: Codes) -> Way:
    return Way(
        (
            "In the editor, choose Add Elements, Embed Code, then Embed HTML (in Wix Studio: Embed a Site or HTML).",
            "Choose Enter Code, choose Code, paste the code, and choose Update.",
            "Drag the element to the size of the feed, and publish the site.",
        ),
        "code for Embed HTML",
        codes.html,
        "Wix shows this code in a frame from one of its own sites. So leave the allowed sites of this widget empty, "
        "and make the element as high as the feed.",
        "On every plan",
    )


def _wix_element(codes: Codes) -> Way:
    # Wix loads the script as a module, which can't tell where it comes from: hence base-url.
    return Way(
        (
            "Choose Add Elements, Embed Code, then Custom Element.",
            f"Choose Server URL as its source: {codes.base_url}/embed/widget.js, and instagram-feed as its tag name.",
            f"Choose Set Attributes. Add the attribute base-url with {codes.base_url}, and token with the token below.",
            "Publish the site.",
        ),
        "token",
        codes.token,
        "Custom elements need a Premium plan and your own domain. The feed is then part of your page, without a frame.",
        "As a part of the page",
    )


def _squarespace(codes: Codes) -> Way:
    return Way(
        (
            "Edit the page, add a block, and choose Code.",
            "Set the block's type to HTML, and paste the code.",
            "Save the page, and look at it while signed out: Squarespace doesn't run scripts while you edit.",
        ),
        "code for a Code block",
        codes.html,
        "Scripts in Code blocks need the Core plan or a higher one (Business or higher among the earlier plans).",
    )


def _webflow(codes: Codes) -> Way:
    return Way(
        (
            "In the Designer, choose Add elements and drag a Code Embed to the page.",
            "Paste the code, and choose Save & Close.",
            "Publish the site. The feed appears on the published page.",
        ),
        "code for a Code Embed",
        codes.html,
        "Code Embeds need a paid Site plan or Workspace. If you have entered allowed sites, add your site's webflow.io "
        "address while you test.",
    )


def _react(codes: Codes) -> Way:
    return Way(
        (
            f"Ask {codes.us} for instagram-feed.ts, and put the file into your project.",
            "Import the component, and render it where the feed should appear.",
        ),
        "React code",
        'import { InstagramFeed } from "./instagram-feed";\n\n'
        f'<InstagramFeed token="{codes.token}" baseUrl="{codes.base_url}" />',
        'We also have it as a package; then import from "instagram-feed-react". The component also '
        "works with server rendering, such as in Next.js.",
    )


def _iframe(codes: Codes) -> Way:
    return Way(
        ("Paste the code where the feed should appear.", "Publish the page."),
        "iframe code",
        codes.frame,
        "For sites that don't allow scripts from other sites. The script below the iframe only fits its height to the "
        "feed. If your site removes it, set a height at which all posts are visible.",
    )
