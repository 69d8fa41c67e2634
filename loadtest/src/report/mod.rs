//! How a result is shown and kept: the summary at the end of a run, `report.html`, `.hlog` files. Reads results only.

pub mod chart;
pub mod files;
pub mod format;
pub mod hlog;
pub mod html;
mod page;
pub mod summary;
