//! SEC: passwords and stored secrets.
