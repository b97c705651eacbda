//! What a log can prove of its own completeness.
