//! The doors: web pages.
