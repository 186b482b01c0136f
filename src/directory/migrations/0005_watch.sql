-- Every replica asks every other second what was changed lately.
CREATE INDEX audit_at ON audit (at, id);
