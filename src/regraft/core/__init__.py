"""What everything stands on: options, catalogues, records, seeds, errors."""
