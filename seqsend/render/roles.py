"""Lines about the roles of the endpoints."""

from seqsend.models import RolesAsked
from seqsend.render.streams import write_stderr


class RoleLines:
    """Writes warnings about roles to stderr: each once, and again only after all was well."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._active = 1
        """How many endpoints were active in the last report."""

    def report(self, asked: RolesAsked) -> None:
        """Write what is wrong with the roles, if that is new; otherwise, with `-v`, the roles."""
        warning = self._warning(asked)
        if warning is not None and not self._quiet:
            write_stderr(warning, "trouble")
        elif self._verbose:
            write_stderr(
                f"  roles: {_listed(asked)} (asked in {asked.elapsed * 1000:.0f} ms)", "detail"
            )

    def _warning(self, asked: RolesAsked) -> str | None:
        before, self._active = self._active, len(asked.active)
        if self._active in (1, before):
            return None
        return f"warning: --rollup-rpc: {_problem(asked)}"


def _problem(asked: RolesAsked) -> str:
    if asked.active:
        first, *others = (str(endpoint.index) for endpoint in asked.active)
        return (
            f"endpoints {', '.join([first, *others])} all report an active sequencer; "
            f"calls begin at endpoint {first}"
        )
    return f"no active sequencer, endpoints are tried in the usual order: {_listed(asked)}"


def _listed(asked: RolesAsked) -> str:
    """Return all roles, each once with the endpoints that have it."""
    endpoints: dict[str, list[str]] = {}
    for endpoint, role, reason in asked.roles:
        said = f"{role}: {reason}" if reason else role
        endpoints.setdefault(said, []).append(str(endpoint.index))
    return "; ".join(
        f"endpoint{'s' if len(which) > 1 else ''} {', '.join(which)} {said}"
        for said, which in endpoints.items()
    )
