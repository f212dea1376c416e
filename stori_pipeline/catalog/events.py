"""The source `events`: events of the application, from an SQS queue.

Belongs here: definitions. Does not belong here: what a definition means (`model`).
"""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, timestamptz, varchar
from stori_pipeline.readers.sqs import Queue

SOURCE = Source(
    name="events",
    kind="sqs",
    description="Actions of people in the application. Their devices send them to a queue.",
    owners=("team:growth",),
)

TABLES = (
    Table(
        source=SOURCE,
        name="app_events",
        description="One row per event. A device may send an event late or more than once; `id` identifies it.",
        columns=(
            Column("id", varchar(36), nullable=False, description="The event's own UUID, in upper case."),
            Column("received_at", timestamptz, nullable=False, description="When the collector received the event."),
            Column(
                "anonymous_id",
                varchar(36),
                nullable=False,
                description="The installation of the application; known before the user logs in.",
            ),
            Column("context_app_version", varchar(16), description="The application's version, such as 1.2.3; often missing."),
            Column("context_device_ad_tracking_enabled", boolean, description="Whether the device allows advertisers to track it."),
            Column(
                "context_device_manufacturer",
                varchar(64),
                description="The manufacturer as the device reports it; it may contradict the device type.",
            ),
            Column("context_device_model", varchar(64), description="The model as the device reports it, such as iPhone8,4."),
            Column("context_device_type", varchar(16), nullable=False, description="The platform: android or ios."),
            Column("context_library_name", varchar(32), description="The library that sent the event, such as analytics-ios."),
            Column("context_library_version", varchar(16), description="The version of the library."),
            Column("context_locale", varchar(16), description="The device's locale, such as de-DE."),
            Column("context_network_wifi", boolean, description="Whether the device was on a wireless network."),
            Column("context_os_name", varchar(32), description="The operating system as the device reports it; upper and lower case vary."),
            Column("context_timezone", varchar(64), description="The device's time zone, such as America/Los_Angeles."),
            Column(
                "event", varchar(64), nullable=False, description="What happened, such as registration_initiated or submission_success."
            ),
            Column("event_text", varchar(128), nullable=False, description="The value of `event` in camel case."),
            Column("original_timestamp", timestamptz, description="When the event happened, by the device's clock."),
            Column("sent_at", timestamptz, nullable=False, description="When the device sent the event."),
            Column(
                "timestamp",
                timestamptz,
                nullable=False,
                description="When the event happened, corrected for the device's clock. Reports use this time.",
            ),
            Column("user_id", bigint, description="The user, after login."),
            Column("context_network_carrier", varchar(64), description="The mobile carrier, such as o2-de."),
            Column("context_device_token", varchar(256), description="The address for notifications, if the user allows them."),
            Column("context_traits_taxfix_language", varchar(16), description="The language of the application, such as en-DE."),
        ),
        key=("id",),
        changes=Queue(),
        cursor="timestamp",
        max_rejected=0.05,  # real devices send about half a per cent of broken events
        max_rejected_rows=10,  # of a small batch a few more
        sortkey=("timestamp",),
    ),
)
