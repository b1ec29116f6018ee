//! Tests of the whole router against a real Postgres, and of the pages in a real browser.

mod api;
mod browser;
mod campaigns;
mod desk;
mod desk_socket;
mod evaluation;
mod gate;
mod masking;
mod matrix;
mod office;
mod publishing;
mod sound;
mod trends;
mod versions;
