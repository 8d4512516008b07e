//! Reads that are shared, given up and refreshed.
