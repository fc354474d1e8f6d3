//! Kimura.
