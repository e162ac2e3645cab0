"""Names of Segment's e-commerce spec: v1 names and other cases mean the v2 name; any other name stays as it is."""

from __future__ import annotations

__all__ = ["canonical_event"]

_V2 = (
    "Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed", "Promotion Clicked",
    "Product Clicked", "Product Viewed", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started",
    "Checkout Step Viewed", "Checkout Step Completed", "Payment Info Entered", "Order Updated", "Order Completed",
    "Order Refunded", "Order Cancelled", "Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed",
    "Product Added to Wishlist", "Product Removed from Wishlist", "Wishlist Product Added to Cart", "Product Shared",
    "Cart Shared", "Product Reviewed",
)  # fmt: skip

_V1 = {
    "Viewed Product Category": "Product List Viewed",
    "Viewed Promotion": "Promotion Viewed",
    "Clicked Promotion": "Promotion Clicked",
    "Viewed Product": "Product Viewed",
    "Added Product": "Product Added",
    "Removed Product": "Product Removed",
    "Started Checkout": "Checkout Started",
    "Started Order": "Checkout Started",
    "Viewed Checkout Step": "Checkout Step Viewed",
    "Completed Checkout Step": "Checkout Step Completed",
    "Updated Order": "Order Updated",
    "Completed Order": "Order Completed",
    "Refunded Order": "Order Refunded",
    "Cancelled Order": "Order Cancelled",
    "Searched Products": "Products Searched",
    "Viewed Cart": "Cart Viewed",
}

_CANONICAL = {name.casefold(): name for name in _V2} | {old.casefold(): new for old, new in _V1.items()}


def canonical_event(name: str) -> str:
    """Return the v2 spelling of a name of the spec, any other name stripped and cut at 256 characters.

    Examples
    --------
    >>> canonical_event("completed order")
    'Order Completed'
    >>> canonical_event("Movie Rated ")
    'Movie Rated'
    """
    text = name.strip()[:256]
    return _CANONICAL.get(text.casefold(), text)
