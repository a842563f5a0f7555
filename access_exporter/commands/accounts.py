"""The account that the flag --account names."""

from access_exporter.config import Account, Config
from access_exporter.errors import UsageError


def named(config: Config, account_id: str) -> Account:
    """Return the account with this id. Raises UsageError if the configuration does not have it."""
    for account in config.accounts:
        if account.id == account_id:
            return account
    raise UsageError(
        "--account: the configuration (or this shard) lacks this account; --config.check lists all accounts"
    )
