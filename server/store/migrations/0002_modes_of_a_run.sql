CREATE TABLE "verified" (
	"pair_id" text NOT NULL,
	"from_key" numeric NOT NULL,
	"to_key" numeric NOT NULL,
	"plan" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"run_id" uuid NOT NULL,
	"rows_source" bigint NOT NULL,
	"rows_target" bigint NOT NULL,
	"missing" bigint NOT NULL,
	"extra" bigint NOT NULL,
	"changed" bigint NOT NULL,
	CONSTRAINT "verified_pair_id_from_key_pk" PRIMARY KEY("pair_id","from_key")
);
--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "seed" text;