"""Web pages that a proxy or web server sends instead of JSON, read in their declared encoding."""

import io

_LONGEST = 64 * 1024  # bytes of a page that is read as text


def in_utf8(page: bytes, content_type: str | None) -> bytes:
    """Return ``page`` in UTF-8 if it is text in another encoding; unchanged otherwise.

    The encoding is the one in ``content_type``, the header. It is never guessed: a wrong guess
    would show words that nobody wrote.
    """
    declared = (content_type or "").strip().lower()
    if not declared.startswith("text/") or "charset" not in declared:
        return page
    if len(page) > _LONGEST or _is_utf8(page):
        return page
    # Few servers need this, and it takes as long to import as everything else in a short run.
    from requests import Response
    from requests.utils import get_encoding_from_headers

    response = Response()
    response.raw = io.BytesIO(page)
    response.encoding = get_encoding_from_headers({"content-type": declared})
    try:
        return response.text.encode()
    except ValueError:  # it names a codec of Python's that is not for text, such as idna
        return page


def _is_utf8(page: bytes) -> bool:
    try:
        page.decode()
    except UnicodeDecodeError:
        return False
    return True
