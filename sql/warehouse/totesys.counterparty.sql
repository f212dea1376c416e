CREATE TABLE "totesys"."counterparty" (
  "counterparty_id" INTEGER NOT NULL,
  "counterparty_legal_name" VARCHAR(256) NOT NULL,
  "legal_address_id" INTEGER NOT NULL,
  "commercial_contact" VARCHAR(256),
  "delivery_contact" VARCHAR(256),
  "created_at" TIMESTAMPTZ NOT NULL,
  "last_updated" TIMESTAMPTZ NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("counterparty_id")
);
