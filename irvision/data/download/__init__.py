"""Published data sets: fetched, verified, unpacked safely."""
