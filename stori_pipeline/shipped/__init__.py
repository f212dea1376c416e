"""What the shipped project adds to the platform: commands for its sample data, the demo, and addresses of the API.

Belongs here: what `stori_pipeline/project.py` names. Does not belong here: anything that another project needs, or a table (`catalog`).
"""
