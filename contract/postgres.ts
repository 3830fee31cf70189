// PostgreSQL's major version: embedded locally, RDS (EngineVersion is the bare major) and its parameter group alike.
export const POSTGRES_MAJOR = 18
