//! Home of the criterion benches in `benches/`; holds no code of its own and must not grow any: what is
//! measured lives in the crates that ship.
