"""Numbers along an axis that do not run into each other."""


def untangle(figure) -> bool:
    """Show fewer numbers below panels where they overlap; whether any did.

    The figure has been drawn before, else nobody knows where its texts are. Numbers
    that were placed by hand stay, as do names.
    """
    return any([_untangle(axes) for axes in figure.get_axes()])


def _untangle(axes) -> bool:
    from matplotlib import ticker

    axis = axes.xaxis
    free = isinstance(axis.get_major_locator(), (ticker.MaxNLocator, ticker.LogLocator))
    if not free or not _overlap(_numbers(axis)):
        return False
    locators = [ticker.MaxNLocator(count) for count in (5, 3, 2)]
    if axes.get_xscale() == "log":
        parts = (1, 2, 5), (1, 3), (1,)
        locators = [ticker.LogLocator(subs=each) for each in parts] + locators
        axis.set_minor_formatter(ticker.NullFormatter())
        axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    for locator in locators:
        axis.set_major_locator(locator)
        numbers = _numbers(axis)
        if len(numbers) > 1 and not _overlap(numbers):
            break
    return True


def _numbers(axis) -> list:
    """The boxes of the numbers that are shown, from left to right."""
    shown = [
        label.get_window_extent()
        for label in axis.get_ticklabels(which="both")
        if label.get_visible() and label.get_text().strip()
    ]
    low, high = axis.axes.bbox.intervalx
    within = [box for box in shown if low - 1 <= (box.x0 + box.x1) / 2 <= high + 1]
    return sorted(within, key=lambda box: box.x0)


def _overlap(boxes) -> bool:
    """Whether a number runs into the next."""
    return any(a.x1 > b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
