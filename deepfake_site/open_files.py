"""How many files a process may hold open: a batch holds one for each of its images."""

import resource

ENOUGH = 65_536  # more, some systems refuse although they name no limit


def raise_limit() -> None:
    """Use what the system grants; many begin with 1,024, which ten batches at once would reach."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
