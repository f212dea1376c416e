CREATE TABLE "star"."dim_date" (
  "date_id" DATE NOT NULL,
  "year" INTEGER NOT NULL,
  "month" INTEGER NOT NULL,
  "day" INTEGER NOT NULL,
  "day_of_week" INTEGER NOT NULL,
  "day_name" VARCHAR(16) NOT NULL,
  "month_name" VARCHAR(16) NOT NULL,
  "quarter" INTEGER NOT NULL,
  "_batch" BIGINT NOT NULL,
  "_loaded_at" TIMESTAMPTZ NOT NULL DEFAULT GETDATE(),
  "_seq" BIGINT,
  "_deleted" BOOLEAN NOT NULL DEFAULT FALSE,
  PRIMARY KEY ("date_id")
) COMPOUND SORTKEY ("date_id");
