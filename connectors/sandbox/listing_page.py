"""How a listing looks to a visitor."""

from typing import Any

from connectors.sandbox.markup import bdi, document, esc, json_ld, link
from connectors.sandbox.stock import StockRow


def product(row: StockRow, url: str) -> dict[str, Any]:
    """The listing as schema.org ``Product`` with an ``Offer``."""
    offer: dict[str, Any] = {
        "@type": "Offer",
        "url": url,
        "availability": "https://schema.org/InStock",
    }
    if row.price is not None:
        offer["price"] = str(row.price.amount)
        if row.price.currency:
            offer["priceCurrency"] = row.price.currency
    if row.seller is not None:
        seller = {"@type": "Person", "name": row.seller.handle, "identifier": row.seller.account_id}
        seller["url"] = row.seller.profile_url
        by_kind = {contact.kind: contact.value for contact in row.contacts}
        seller["telephone"], seller["email"] = by_kind.get("phone"), by_kind.get("email")
        offer["seller"] = {name: value for name, value in seller.items() if value}
    if row.ships_to:
        offer["eligibleRegion"] = list(row.ships_to)
    if row.location:
        offer["availableAtOrFrom"] = {"@type": "Place", "name": row.location}
    if row.posted_at:
        offer["validFrom"] = row.posted_at.isoformat()
    further = [
        {"@type": "PropertyValue", "name": name, "value": value}
        for name, value in (
            ("permit_statement", row.permit_statement),
            ("shipping_method", row.shipping_method),
            *((f"contact_{contact.kind}", contact.value) for contact in row.contacts),
        )
        if value
    ]
    whole = {
        "@context": "https://schema.org",
        "@type": "Product",
        "@id": url,
        "productID": row.listing_id,
        "name": row.title,
        "description": row.description,
        "category": row.category,
        "inLanguage": row.language,
        "image": [image.url for image in row.images],
        "additionalProperty": further,
        "offers": offer,
    }
    return {name: value for name, value in whole.items() if value}


def listing_page(row: StockRow, url: str) -> str:
    """The page of a listing that is online."""
    facts: list[tuple[str, str]] = []
    if row.price is not None:
        facts.append(("Price", f"{esc(row.price.amount)} {esc(row.price.currency or '')}"))
    if row.seller is not None and row.seller.handle:
        profile = row.seller.profile_url
        facts.append(("Seller", link(profile, row.seller.handle) if profile else bdi(row.seller.handle)))
    facts.extend((contact.kind.capitalize(), bdi(contact.value)) for contact in row.contacts)
    for name, value in (
        ("Category", row.category),
        ("Location", row.location),
        ("Ships to", ", ".join(row.ships_to)),
        ("Shipping", row.shipping_method),
        ("Permit", row.permit_statement),
        ("Posted", row.posted_at.isoformat() if row.posted_at else None),
    ):
        if value:
            facts.append((name, bdi(value)))
    facts.extend(("Picture", link(image.url)) for image in row.images)
    table = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in facts)
    main = (
        f'<article data-state="online"><h1 dir="auto">{bdi(row.title or row.listing_id)}</h1>'
        f'<p class="said" dir="auto">{bdi(row.description)}</p><table>{table}</table>'
        f"<p><small>Listing {bdi(row.listing_id)}</small></p></article>"
    )
    head = f'<link rel="canonical" href="{esc(url)}">' + json_ld(product(row, url))
    return document(row.title or row.listing_id, main, head=head, language=row.language or "und")


def removed_page() -> str:
    """The page that stays behind where a platform answers 200 for what it removed."""
    return document(
        "Listing removed",
        '<article data-state="removed"><h1>This listing has been removed</h1>'
        "<p>It is no longer available.</p></article>",
        head='<meta name="robots" content="noindex"><meta name="listing-state" content="removed">',
    )


def missing_page(status: int) -> str:
    """404 and 410."""
    words = "This page is gone" if status == 410 else "There is no such page"
    return document(words, f'<article data-state="missing"><h1>{words}</h1></article>')


def login_page() -> str:
    """What a visitor without an account sees."""
    return document(
        "Log in",
        '<article data-state="login"><h1>Log in to see this listing</h1>'
        '<form method="post" action="/login"><p><label>Name <input name="name" autocomplete="username">'
        '</label></p><p><label>Password <input name="password" type="password" '
        'autocomplete="current-password"></label></p><p><button>Log in</button></p></form></article>',
        head='<meta name="robots" content="noindex">',
    )
