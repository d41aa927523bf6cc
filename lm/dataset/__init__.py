"""From game records to training shards."""
