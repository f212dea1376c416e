"""The command as `python -m stori_pipeline`, for where the script `stori` is not on the path.

Belongs here: this call. Does not belong here: the command (`cli`).
"""

from stori_pipeline.cli import main

if __name__ == "__main__":
    main()
