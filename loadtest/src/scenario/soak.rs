//! Hours of mixed load. What it is for, the slope of the server's memory with its uncertainty, is computed from the
//! samples of the server when the run is over.

use super::{Built, mixed};
use crate::settings::Settings;
use crate::target::token::{TokenError, Tokens};

pub(super) fn build(settings: &Settings, tokens: &Tokens) -> Result<Built, TokenError> {
    mixed::build(settings, tokens)
}
