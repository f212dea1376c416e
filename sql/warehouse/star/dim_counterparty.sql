CREATE TABLE "star"."dim_counterparty" (
  "counterparty_id" INTEGER NOT NULL,
  "counterparty_legal_name" VARCHAR(256) NOT NULL,
  "counterparty_legal_address_line_1" VARCHAR(256) NOT NULL,
  "counterparty_legal_address_line_2" VARCHAR(256),
  "counterparty_legal_district" VARCHAR(128),
  "counterparty_legal_city" VARCHAR(128) NOT NULL,
  "counterparty_legal_postal_code" VARCHAR(32) NOT NULL,
  "counterparty_legal_country" VARCHAR(128) NOT NULL,
  "counterparty_legal_phone_number" VARCHAR(32) NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("counterparty_id")
);
