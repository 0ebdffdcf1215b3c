"""The configuration of a client, and the secrets that it collects."""

import pytest

from seqsend.configuration import Configuration, configure
from seqsend.redaction import scrub


def _configured(endpoints: str, **headers: object) -> Configuration:
    return configure(
        endpoints,
        dial_timeout=1,
        request_timeout=1,
        deadline=None,
        cacert=None,
        max_response_size=1,
        **{"headers": None, **headers},  # type: ignore[arg-type]
    )


def test_every_configured_secret_is_scrubbed_and_absent_from_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy-user:proxy-word@proxy:3128")
    monkeypatch.setenv("https_proxy", "other-user:other-word@proxy:3128")
    monkeypatch.setenv("ALL_PROXY", "http://[::1")
    configuration = _configured(
        "http://one-user:one-w%6Frd@h/0123456789abcdefghij,https://h/?key=query-word",
        headers={"X-Key": "every-word"},
        endpoint_headers={2: {"Authorization": "Bearer second-word"}},
        reads_from="http://reader/?key=reader-word",
        rollup_rpc="http://n/?key=node-word,http://n",
    )
    planted = (
        ["proxy-user", "proxy-word", "other-user", "other-word", "one-user", "one-word"]
        + ["0123456789abcdefghij", "query-word", "every-word", "second-word"]
        + ["reader-word", "node-word"]
        + ["b25lLXVzZXI6b25lLXdvcmQ="]  # one-user:one-word
    )
    for secret in planted:
        assert scrub(f"<{secret}>", configuration.secrets).replace("=", "") == "<***>", secret
    for secret in planted:
        assert secret not in repr(configuration)
