"""The events of the application, from a queue."""

from stori_pipeline.model.source import Source
from stori_pipeline.model.table import Column, Table
from stori_pipeline.model.types import bigint, boolean, timestamptz, varchar
from stori_pipeline.readers.sqs import Queue

SOURCE = Source(
    name="events",
    kind="sqs",
    description="What people do in the application, sent to a queue by their devices.",
    owners=("team:growth",),
)

TABLES = (
    Table(
        source=SOURCE,
        name="app_events",
        description="One row per event. An event may be sent more than once, late, and with any name; its id says which one it is.",
        columns=(
            Column("id", varchar(36), nullable=False, description="The event's own UUID, in upper case."),
            Column("received_at", timestamptz, nullable=False, description="When the collector received it."),
            Column("anonymous_id", varchar(36), nullable=False, description="The installation that it came from, known before any login."),
            Column("context_app_version", varchar(16), description="The application's version, such as 1.2.3; often missing."),
            Column("context_device_ad_tracking_enabled", boolean, description="Whether the device allows advertisers to track it."),
            Column("context_device_manufacturer", varchar(64), description="As the device says; it need not fit its type."),
            Column("context_device_model", varchar(64), description="As the device says, such as iPhone8,4."),
            Column("context_device_type", varchar(16), nullable=False, description="The platform: android or ios."),
            Column("context_library_name", varchar(32), description="The library that sent it, such as analytics-ios."),
            Column("context_library_version", varchar(16), description="That library's version."),
            Column("context_locale", varchar(16), description="The device's locale, such as de-DE."),
            Column("context_network_wifi", boolean, description="Whether the device was on a wireless network."),
            Column("context_os_name", varchar(32), description="As the device says; its case is not consistent."),
            Column("context_timezone", varchar(64), description="The device's time zone, such as America/Los_Angeles."),
            Column("event", varchar(64), nullable=False, description="What happened: registration_initiated, submission_success, or any."),
            Column("event_text", varchar(128), nullable=False, description="The same in camel case."),
            Column("original_timestamp", timestamptz, description="When it happened by the device's clock."),
            Column("sent_at", timestamptz, nullable=False, description="When the device sent it."),
            Column(
                "timestamp", timestamptz, nullable=False, description="When it happened, the device's clock corrected: what reports go by."
            ),
            Column("user_id", bigint, description="The user, once logged in."),
            Column("context_network_carrier", varchar(64), description="The mobile carrier, such as o2-de."),
            Column("context_device_token", varchar(256), description="Where notifications go, where that is allowed."),
            Column("context_traits_taxfix_language", varchar(16), description="The language that the application speaks, such as en-DE."),
        ),
        key=("id",),
        changes=Queue(),
        cursor="timestamp",
        max_rejected=0.05,  # devices in the wild send half a per cent that is broken
        sortkey=("timestamp",),
    ),
)
