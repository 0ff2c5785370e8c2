//! Whole runs that end with their process and are taken up again.

mod again;
mod changed;
mod conformance;
mod damage;
mod mortal;
mod restored;
mod room;
