"""Sample data of the shipped project, and applications that write to its sources.

Belongs here: generators (`bank`, `exchange`, `app`, `totesys`, `events`, `drops`), importers of the two original file formats, `seed`,
which fills every source, and `workload`, which writes as the applications would. Does not belong here: the pipeline, the lake and the
warehouse.
"""
