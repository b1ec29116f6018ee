//! The web view and the JSON interface.
