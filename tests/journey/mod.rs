//! Stories: what people do with the product, from outside, each for one shard and for two.

mod agents;
mod bytedesk;
mod clients;
mod cluster;
mod crash;
mod desk;
mod disk;
mod documents;
mod idempotency;
mod operations;
mod resume;
mod rights;
mod talk;
mod transfer;
mod visitor;
mod webchat;
mod webchat_customers;
mod workbench;
