"""Where data come from: one file per source, behind one registry."""
