//! Whole runs that end with their process and are taken up again.

mod again;
mod conformance;
mod damage;
mod mortal;
mod restored;
mod room;
