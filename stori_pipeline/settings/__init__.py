"""Settings: addresses, names and secrets, from the environment and `.env`.

Belongs here: `declared` (which settings there are), `environment` (reading them), `dotenv` (what came from `.env`), `secrets` (Secrets
Manager), `foreign` (variables of other programs), `listing`. Does not belong here: defaults for a laptop (`stori up` writes them to
`.env`), and connections. Secrets never appear in a repr, a log or an error.
"""

from stori_pipeline.settings.declared import SettingError
from stori_pipeline.settings.environment import Settings

__all__ = ["SettingError", "Settings"]
