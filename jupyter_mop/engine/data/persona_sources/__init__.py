"""What personas are read from: lines, YAML, JSON, tables, and the formats of other tools."""
