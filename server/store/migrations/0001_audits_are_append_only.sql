CREATE FUNCTION refuse_to_change_audits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audits are append-only';
END $$;
--> statement-breakpoint
CREATE TRIGGER audits_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "audits"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audits();
