"""PromQL expressions that several panels share.

The queries aggregate over instances, so that the line of an account continues when another exporter polls the account.
"""

_SCRAPED = 'cluster=~"$cluster", namespace=~"$namespace"'
JOB = f'{_SCRAPED}, job=~"$job"'
ACCOUNT = f'{JOB}, account_id=~"$account_id"'
INFO = "cloudflare_access_account_info"


def of_account(metric: str, *labels: str, matchers: str = "") -> str:
    """Return a metric of the chosen accounts, by account and by these additional labels."""
    selector = ", ".join(filter(None, (ACCOUNT, matchers)))
    return f"max by ({', '.join(('job', 'account_id', *labels))}) ({metric}{{{selector}}})"


def of_test(metric: str, *labels: str, matchers: str = "") -> str:
    """Return a metric of the chosen policy tests, by account, test and these additional labels."""
    chosen = ", ".join(filter(None, ('policy_test=~"$policy_test"', matchers)))
    return of_account(metric, "policy_test", *labels, matchers=chosen)


def named(expression: str) -> str:
    """Return an expression with the name of the account as an additional label."""
    return f"{expression}\n* on (job, account_id) group_left (account_name)\n{of_account(INFO, 'account_name')}"


def per_second(metric: str, labels: str) -> str:
    """Return the rate per second of a counter of the exporter itself, by these labels."""
    return f"sum by ({labels}) (rate({metric}{{{JOB}}}[$__rate_interval]))"


def policies_of(*decisions: str) -> str:
    """Return the number of policies with these decisions per application, without bookmarks, which have no policies."""
    labels = ("application", "application_id")
    matchers = f'decision=~"{"|".join(decisions)}"'
    policies = of_account("cloudflare_access_application_policies", *labels, "decision", matchers=matchers)
    bookmarks = of_account("cloudflare_access_undiscovered_application_info", *labels, matchers='type="bookmark"')
    return (
        f"(sum by (job, account_id, {', '.join(labels)}) ({policies})\n"
        f"unless on (job, account_id, application_id)\n{bookmarks})"
    )
